#!/usr/bin/env bash
# Makes the virtual environment FOLDER with a Python of at least 3.11, if it is not there:  .ci/venv.sh FOLDER
# PYTHON=... names the interpreter. Needs pip only; on Debian without `venv` it installs the package when it may.
set -euo pipefail
venv=${1:?which folder}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -e "$venv" ]; then
  if new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then exit 0; fi
  echo "'$venv' is there but is not a working environment of Python 3.11 or newer. Delete it and try again: rm -rf $venv" >&2
  exit 1
fi

python=""
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
  if new_enough "$name"; then python=$name; break; fi
done
if [ -z "$python" ]; then
  echo "whet needs Python 3.11 or newer, and none was found (tried: ${PYTHON:-python3 python3.14 ... python3.11}; python3 is $(python3 -V 2>&1 || echo missing))." >&2
  echo "Install one (https://www.python.org/downloads, 'apt-get install python3.11 python3.11-venv', 'brew install python') or name it: make PYTHON=/path/to/python3.12 ..." >&2
  exit 1
fi

make_it() { "$python" -m venv "$venv" >"$log" 2>&1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! make_it; then
  rm -rf "$venv"
  package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing Debian's $package, which 'python -m venv' needs ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null && apt-get install -y -qq "$package" >/dev/null || apt-get install -y -qq python3-venv >/dev/null
    make_it || { cat "$log" >&2; rm -rf "$venv"; exit 1; }
  else
    cat "$log" >&2
    echo "'$python -m venv' failed. On Debian and Ubuntu it needs a package: sudo apt-get install $package" >&2
    exit 1
  fi
fi
