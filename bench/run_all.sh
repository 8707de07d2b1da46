#!/usr/bin/env bash
# Everything that `make bench` prints: whet as a user installs it, beside the peers that have a virtual environment, in one run.
#   bench/run_all.sh quick|full    quick is under 4 minutes, full about an hour
#   BENCH_VENVS   where make_venvs.sh put the peers (default: ~/.cache/whet-bench); a peer without one is left out
#   RESULTS       where the raw numbers go (default: .bench/quick or .bench/full)
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-quick}
results=${RESULTS:-.bench/$mode}
mkdir -p "$results"
rm -f "$results"/*.json
log=$results/log.txt
: >"$log"

# whet is measured installed from a wheel, in an environment of its own, so that its import time and its size are the real ones.
if [ -z "${BENCH_PY_WHET:-}" ]; then
  [ -x .bench/venv/bin/python ] || bash .ci/venv.sh .bench/venv
  .bench/venv/bin/python -m pip install -qq --no-input --disable-pip-version-check . >>"$log" 2>&1
  .bench/venv/bin/python -m pip install -qq --no-input --disable-pip-version-check --force-reinstall --no-deps . >>"$log" 2>&1
  export BENCH_PY_WHET=$PWD/.bench/venv/bin/python
fi
py=${BENCH_PYTHON:-$BENCH_PY_WHET}
cd bench
has() { "$py" -c "import sys, common; sys.exit(not common.python_of('$1'))"; }

run() { # name arguments...
  local name=$1 start=$SECONDS
  shift
  echo "== bench_$name.py $*" >>"../$log"
  "$py" "bench_$name.py" "$@" --json "../$results/$name-$SECONDS.json" >>"../$log" 2>&1 || echo "bench_$name.py failed: see $log" >&2
  echo "bench_$name: $((SECONDS - start)) s" >&2
}

libs=whet
http=whet:async100,whet:threads24
late=whet:async500
bare=
streams=whet
imports=whet
if has dspy; then
  libs=whet,dspy http=$http,dspy:async100,dspy:threads24 late=$late,dspy:async500 streams=whet,dspy imports=whet,dspy
else
  echo "DSPy is not beside it: make its environment with 'bash bench/make_venvs.sh dspy'." >&2
fi
for peer in openai aiohttp; do
  if has $peer; then http=$http,$peer:async100 streams=$streams,$peer imports=$imports,$peer; fi
done
if has aiohttp; then late=$late,aiohttp:async500 bare=,aiohttp; fi

if [ "$mode" = quick ]; then
  run import --lib "$imports" --repeat 3
  run predict --lib "$libs" --n 300 --repeat 2 --case predict-baselm,predict-native,apredict-baselm,big-baselm,chat-big,json-big,xml-big,baml-big,two_step-big,build
  run evaluate --lib "$libs" --sizes 1000 --threads 1,24 --repeat 1
  run evaluate --lib whet --sizes 1000 --threads 1,24 --repeat 3
  run evaluate --lib "$libs" --sizes 10000 --threads 1 --repeat 1
  run evaluate --lib "whet$bare" --served 5000 --repeat 2
  run scale --lib "$libs" --n 50000 --repeat 1 --case calls
  run scale --lib "$libs" --n 20000 --repeat 1 --case calls-bigprompt,context,nesting
  run throughput --n 1000 --latency 0 --repeat 2 --cases "$http"
  run throughput --n 1500 --latency 1000 --repeat 1 --cases "$late"
  run throughput --n 50000 --latency 0 --repeat 1 --cases whet:soak100
  run cache --lib "$libs" --n 400 --entries 10000 --repeat 1 --case memory,disk,write,size,shared100
  run stream --cases "$streams" --words 200 --repeat 1
  run agents --lib "$libs" --n 5 --repeat 1
else
  run import --repeat 10
  run predict --lib "$libs" --repeat 5
  run evaluate --lib "$libs" --sizes 1000,5000,10000 --threads 1,8,24 --repeat 5
  run evaluate --lib "$libs$bare" --served 5000 --repeat 3
  run scale --lib "$libs" --n 50000 --repeat 3
  run throughput --repeat 3
  run throughput --n 1500 --latency 1000 --repeat 3 --cases "$late"
  run throughput --n 50000 --latency 0 --repeat 3 --cases whet:soak100
  run cache --lib "$libs" --repeat 3
  run stream --repeat 5
  run agents --repeat 5
fi
echo "total: $SECONDS s, load $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores, $("$py" -V)" >&2
"$py" summary.py "../$results"
