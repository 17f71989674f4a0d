# Finds the checkout and a Python that can run it, then hands over to scripts.stack; sourced by the commands in scripts/.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1

fits() {
    # Asked by running it: a pyenv shim exists also for versions that are not active.
    "$1" -I -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' >/dev/null 2>&1
}

python=
for candidate in "$root/.venv/bin/python" "${PYTHON:-python3}" python3 python3.11 python3.12 python3.13 python3.14 \
    /usr/bin/python3 /usr/local/bin/python3; do
    if fits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "error: no Python 3.11 to 3.14 found: install one (apt install python3 python3-venv) or name it: PYTHON=/path/to/python $0" >&2
    exit 1
fi
# A module in the caller's folder must not stand in for one of the standard library: hence -P, and PYTHONPATH without its
# empty entries, which mean that folder (export PYTHONPATH=$PYTHONPATH:/some/where makes one).
paths=$(printf %s "${PYTHONPATH:-}" | sed 's/::*/:/g; s/^://; s/:$//')
PYTHONPATH="$root${paths:+:$paths}" exec "$python" -P -m scripts.stack "$command" "$@"
