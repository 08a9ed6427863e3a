#!/usr/bin/env bash
# Set-up and main job; `bash run_all.sh help` tells the rest.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# === Settings: each is an environment variable and, in small letters, a flag

DATA=${DATA:-movielens-100k}  # a recipe of datasets/ or a prepared folder
MODELS=${MODELS:-}            # default: those of the README's table, below
MAIN_MODELS=popularity,item_knn:whole_history,item_knn,gru4rec,sasrec,caser,mind,comirec_dr,comirec_sa,surge:short,mgnm
SMOKE_MODELS=popularity,item_knn,gru4rec,mgnm
SEEDS=${SEEDS:-0}
EPOCHS=${EPOCHS:-}            # at most, of every model; default: its recipe's
OUT=${OUT:-}                  # default: runs/<name of the data>
JOBS=${JOBS:-}                # runs at a time; default: one a core, at most 4
PYTHON=${PYTHON:-}            # default: the first of python3, python3.13, ...
VENV=${VENV:-.venv}

usage() {
  cat <<'TEXT'
Usage: bash run_all.sh [command] [flags]

Commands:
  (none)   set up, get the data, train and compare the models, write the report
  setup    make the virtual environment and install the package, nothing else
  smoke    the main job on a small synthetic data set with four models and one
           epoch: in two minutes
  test     set up with the tools for tests and run them;
           what follows goes to pytest: bash run_all.sh test -k metrics
  docs     set up with the tools for the pages of docs/ and write them into
           build/site; what follows goes to mkdocs build
  bench    set up and measure speed and memory; what follows goes to
           python -m benchmarks: bash run_all.sh bench --quick
  gpu      set up and measure every model's training step on a GPU;
           --dry-run proves the script on a processor
  constraints
           write constraints/ anew, the versions that are installed
  help     this text

Flags (or environment variables in capitals: DATA=... bash run_all.sh):
  --data NAME      recipe (see: mgnm datasets) or prepared folder
                   [movielens-100k]
  --models A,B     models or model:recipe, see: mgnm models [popularity,
                   item-kNN, MGNM and seven of those it is compared with]
  --seeds 0,1      one run of each model for every seed [0]
  --epochs N       most epochs of each training [those of its recipe]
  --jobs N         runs at a time, each on its share of the cores [one a
                   core, at most 4]
  --out FOLDER     where the runs go [runs/NAME]
  --python PROGRAM Python 3.10 to 3.13 that makes the environment
  --venv FOLDER    the virtual environment [.venv]

Folders are relative to this one. The work can be interrupted and started
again: finished parts are not repeated.
TEXT
}

say() { printf '== %s\n' "$*"; }
fail() { printf 'run_all.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'run_all.sh: %s\n' "$*" >&2; exit 2; }

# Prints a command, then runs it.
run() {
  printf '+ %s\n' "$*"
  "$@"
}

# === Set-up

fits() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
    2>/dev/null
}

# Prints the name of a Python that fits.
find_python() {
  local name
  if [[ -n $PYTHON ]]; then
    fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.10 to 3.13."
    echo "$PYTHON"
    return
  fi
  for name in python3 python3.13 python3.12 python3.11 python3.10; do
    if fits "$name"; then
      echo "$name"
      return
    fi
  done
  fail "no Python 3.10 to 3.13 found; install one, or name it with" \
    "PYTHON=/path/to/python."
}

make_environment() {
  local python
  if "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    fits "$VENV/bin/python" ||
      fail "$VENV holds a Python that is not 3.10 to 3.13; remove $VENV."
    return
  fi
  if [[ -e $VENV && ! -e $VENV/pyvenv.cfg && -n $(ls -A "$VENV") ]]; then
    fail "$VENV is there and is no virtual environment; name another VENV."
  fi
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments; install its package" \
      "'venv' (on Debian and Ubuntu: python3-venv)."
  say "Making the virtual environment $VENV with $("$python" --version)"
  run "$python" -m venv --clear "$VENV"
}

# What an installation depends on, as one number.
state_of_sources() {
  { pwd; cat setup.py pyproject.toml mgnm_tf/version.py \
    mgnm_tf/models/models.toml constraints/*; } | cksum | tr ' ' '-'
}

# install EXTRA...: installs this folder, editable, with the extras, and of
# what it needs the versions that passed the tests.
install() {
  local extras stamp version
  if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
    set -- "$@" gpu  # TensorFlow's own CUDA libraries
  fi
  make_environment
  extras=$(IFS=,; echo "$*")
  stamp="$VENV/installed-${extras//,/-}-$(state_of_sources)"
  if [[ -e $stamp ]]; then
    say "Installed already in $VENV"
    return
  fi
  say "Installing mgnm_tf into $VENV (TensorFlow is large: some minutes)"
  version=$("$VENV/bin/python" -c \
    'import sys; print("%d.%d" % sys.version_info[:2])')
  run "$VENV/bin/python" -m pip install -q --disable-pip-version-check \
    -c "constraints/python$version.txt" -e ".${extras:+[$extras]}"
  rm -f "$VENV/installed-${extras//,/-}-"*
  touch "$stamp"
}

# Writes constraints/ anew: for each Python the newest versions that fit.
remake_constraints() {
  local version
  make_environment
  run "$VENV/bin/python" -m pip install -q --disable-pip-version-check uv
  for version in 3.10 3.11 3.12 3.13; do
    run "$VENV/bin/uv" pip compile -q setup.py --all-extras --upgrade \
      --python-version "$version" --python-platform x86_64-manylinux_2_28 \
      --no-header --no-annotate -o "constraints/python$version.txt"
  done
  say "Now run the tests: what they pass with is what is committed."
}

# === Main job

# compare_on NAME: prepares the data, compares the models.
compare_on() {
  local name=$1 data=$1 options=()
  if [[ ! -d $name ]]; then
    data=data/$name
    if [[ -d $data ]]; then
      say "Data are prepared already: $data"
    else
      say "Preparing the data set $name"
      run "$VENV/bin/mgnm" prepare "$name" --out "$data"
    fi
  fi
  OUT=${OUT:-runs/$(basename "$name")}
  [[ -n $JOBS ]] || JOBS=$(($(nproc) < 4 ? $(nproc) : 4))
  [[ -z $EPOCHS ]] || options+=(--epochs "$EPOCHS")
  say "Comparing $MODELS on $data"
  run "$VENV/bin/mgnm" compare --data "$data" --models "$MODELS" \
    --seeds "$SEEDS" --jobs "$JOBS" --out "$OUT" "${options[@]}"
  say "Everything is in $OUT; open $OUT/report.html"
}

command=main
if [[ $# -gt 0 && $1 != --* ]]; then
  command=$1
  shift
fi
case $command in
  main | setup | smoke | test | docs | bench | gpu | constraints) ;;
  help) usage; exit ;;
  *) misuse "unknown command '$command'; expected setup, smoke, test, docs, bench, gpu, constraints or help." ;;
esac
while [[ $# -gt 0 && ! $command =~ ^(test|docs|bench|gpu)$ ]]; do
  case $1 in
    --help) usage; exit ;;
    --data | --models | --seeds | --epochs | --jobs | --out | --python | --venv)
      [[ $# -gt 1 ]] || misuse "$1 needs a value."
      setting=${1#--}
      printf -v "${setting^^}" '%s' "$2"
      shift 2
      ;;
    *) misuse "unknown argument '$1'; see: bash run_all.sh help" ;;
  esac
done

export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}
case $command in
  setup) install ;;
  constraints) remake_constraints ;;
  main)
    install
    MODELS=${MODELS:-$MAIN_MODELS}
    compare_on "$DATA"
    ;;
  smoke)
    install
    EPOCHS=${EPOCHS:-1}
    MODELS=${MODELS:-$SMOKE_MODELS}
    compare_on planted
    ;;
  test)
    install dev
    say "Running the tests"
    # Two processes: most of a test's time is the compilation of a graph, which
    # keeps one core busy. One file is one process's, for the sake of fixtures.
    # In the order of their names, which ends with many short files: by the
    # number of their tests, as is the default, long files of few tests are
    # last, and one process waits for the other.
    run "$VENV/bin/python" -m pytest -n 2 --dist loadfile \
      --no-loadscope-reorder "$@"
    ;;
  docs)
    install docs
    run env NO_MKDOCS_2_WARNING=1 "$VENV/bin/python" -m mkdocs build --strict "$@"
    say "Open build/site/index.html"
    ;;
  bench)
    install
    run "$VENV/bin/python" -m benchmarks "$@"
    ;;
  gpu)
    if [[ " $* " != *" --dry-run "* ]]; then
      nvidia-smi -L >/dev/null 2>&1 ||
        fail "nvidia-smi finds no GPU; --dry-run proves the script without."
      set -- --out benchmarks/results/gpu.json "$@"
    fi
    install
    run "$VENV/bin/python" -m benchmarks gpu "$@"
    ;;
esac
