#!/usr/bin/env bash
# Makes one virtual environment for each peer, so that their import times and sizes are never mixed:  bench/make_venvs.sh [name...]
#   BENCH_VENVS (default ~/.cache/whet-bench) says where, BENCH_DSPY which release of DSPy. What is there already is kept.
set -euo pipefail
root=${BENCH_VENVS:-$HOME/.cache/whet-bench}
python=${BENCH_PYTHON:-python3}
declare -A wants=(
  [stub]="uvloop httptools orjson"
  [dspy]="dspy==${BENCH_DSPY:-3.4.1}"
  [openai]=openai
  [aiohttp]=aiohttp
  [httpx]="httpx[http2] sniffio"
  [httpx2]=httpx2
  [litellm]=litellm
  [pydantic_ai]="pydantic-ai-slim[openai]"
)
mkdir -p "$root"
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(stub dspy openai aiohttp)
for name in "${names[@]}"; do
  if [ -e "$root/$name/.ok" ]; then
    echo "have $name"
    continue
  fi
  rm -rf "${root:?}/$name"
  "$python" -m venv "$root/$name"
  # shellcheck disable=SC2086 - several requirements in one word
  "$root/$name/bin/python" -m pip install -qq --no-input ${wants[$name]:?no such peer}
  touch "$root/$name/.ok"
  echo "made $name"
done
