#!/usr/bin/env bash
# Evaluates a backbone, compares it with a base run, and leaves the comparison in files. Any CI system can call it.
#
#   HB_BACKBONE       name of the backbone (required)
#   HB_CHECKPOINT     weights to load into it
#   HB_BASE           base run: a run folder, a results file, or the name of a shipped baseline
#   HB_IF_NO_BASE     without HB_BASE: evaluate, the base is evaluated here too; skip, nothing is compared (evaluate)
#   HB_BASE_BACKBONE, HB_BASE_CHECKPOINT   what the base is where it is evaluated here (backbone: HB_BACKBONE)
#   HB_PROTOCOL       what is finetuned (head)
#   HB_SUITE          mini, the embedded suite, or humanbench-v1 (mini)
#   HB_DATASETS       some datasets, separated by commas (all that are found)
#   HB_DATA_ROOT      folder of the datasets (the embedded suite's own, or $HUMANBENCH_DATA)
#   HB_SEEDS          trainings per cell; 2..6 begins with 2 and adds more, up to 6, only where they may decide (2)
#   HB_MARGIN         smallest difference that fails the gate (1 point, 5 % of an error)
#   HB_GATE           false: never fail for a regression (true)
#   HB_EVAL_ARGS      further arguments of `humanbench eval`, separated by spaces
#   HB_OUT            folder for the runs and the comparison, one of its own for each checkpoint (humanbench-ci)
#   HUMANBENCH        the command (humanbench)
#
# Writes compare.md, compare.json and compare.xml (JUnit) to HB_OUT, and adds the Markdown to $GITHUB_STEP_SUMMARY.
# Exit code: 0 no regression, or nothing to compare with and HB_IF_NO_BASE=skip; 1 a regression, or a cell that failed; 2 nothing to compare, or wrong input.
set -euo pipefail

fail() {
    echo "compare.sh: $1" >&2
    exit 2
}

# GitHub takes lines of a job's log that begin with :: for commands. Names and reasons in a base result were written by
# somebody else, so until this script ends no line of its log is one.
if [[ "${GITHUB_ACTIONS:-}" == true ]]; then
    stop="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
    printf '::stop-commands::%s\n' "$stop"
    trap 'printf "\n::%s::\n" "$stop"' EXIT
fi

[[ -n "${HB_BACKBONE:-}" ]] || fail "HB_BACKBONE names the backbone to evaluate; it is not set"
out="${HB_OUT:-humanbench-ci}"
read -ra humanbench <<<"${HUMANBENCH:-humanbench}"
read -ra extra <<<"${HB_EVAL_ARGS:-}"

if_no_base="${HB_IF_NO_BASE:-evaluate}"
[[ "$if_no_base" =~ ^(evaluate|skip)$ ]] || fail "HB_IF_NO_BASE is evaluate or skip; found $if_no_base"

seeds="${HB_SEEDS:-2}"
[[ "$seeds" =~ ^([1-9][0-9]?)(\.\.([1-9][0-9]?))?$ ]] || fail "HB_SEEDS is a number, or two as in 2..6; found $seeds"
least="${BASH_REMATCH[1]}" most="${BASH_REMATCH[3]:-${BASH_REMATCH[1]}}"
[[ "$least" -le "$most" ]] || fail "HB_SEEDS=$seeds: the second number is the larger one"

[[ "${HB_GATE:-true}" =~ ^(true|false)$ ]] || fail "HB_GATE is true or false; found $HB_GATE"
number='^[0-9]+([.][0-9]*)?([eE][-+]?[0-9]+)?$|^[.][0-9]+$'
[[ -z "${HB_MARGIN:-}" || "$HB_MARGIN" =~ $number ]] || fail "HB_MARGIN is a number, zero or more; found $HB_MARGIN"

failed=0

evaluate() { # folder, backbone, checkpoint, seeds, datasets
    local arguments=(
        --backbone "$2" --protocol "${HB_PROTOCOL:-head}" --suite "${HB_SUITE:-mini}" --seeds "$4" --out "$1"
    )
    [[ -z "$3" ]] || arguments+=(--checkpoint "$3")
    [[ -z "$5" ]] || arguments+=(--datasets "$5")
    [[ -z "${HB_DATA_ROOT:-}" ]] || arguments+=(--data-root "$HB_DATA_ROOT")
    local status=0
    "${humanbench[@]}" eval "${arguments[@]}" "${extra[@]}" || status=$?
    [[ $status -le 1 ]] || exit "$status"
    [[ $status -eq 0 ]] || failed=1 # cells that failed; those that did not are compared
}

there() { # variable, path or address: a file that is missing is found out before the hours of an evaluation
    [[ -z "$2" || "$2" == *:* || "$2" == "~"* || -e "$2" ]] || fail "$1=$2: there is no such file"
}

new() { # seeds, datasets
    evaluate "$out/new" "$HB_BACKBONE" "${HB_CHECKPOINT:-}" "$1" "$2"
}

base_here() { # seeds, datasets
    evaluate "$out/base" "${HB_BASE_BACKBONE:-$HB_BACKBONE}" "${HB_BASE_CHECKPOINT:-}" "$1" "$2"
}

mkdir -p "$out" || fail "HB_OUT=$out cannot be made"
base="${HB_BASE:-}"
there HB_CHECKPOINT "${HB_CHECKPOINT:-}"
there HB_DATA_ROOT "${HB_DATA_ROOT:-}"
if [[ -n "$base" ]]; then # so is a wrong name
    "${humanbench[@]}" export "$base" --format csv >/dev/null || exit 2
elif [[ "$if_no_base" == evaluate ]]; then
    there HB_BASE_CHECKPOINT "${HB_BASE_CHECKPOINT:-}"
fi
new "$least" "${HB_DATASETS:-}" # first: what is wrong with it costs no evaluation of the base
if [[ -z "$base" && "$if_no_base" == skip ]]; then
    echo "compare.sh: there is no base, so nothing was compared; $out/new can be the next one's" >&2
    [[ -z "${GITHUB_STEP_SUMMARY:-}" ]] || echo "humanbench: evaluated; there is no base to compare with." >>"$GITHUB_STEP_SUMMARY"
    exit "$failed"
fi
base_is_here=false
if [[ -z "$base" ]]; then
    base="$out/base" base_is_here=true
    base_here "$least" "${HB_DATASETS:-}"
fi

compared=("$base" "$out/new")
[[ -z "${HB_MARGIN:-}" ]] || compared+=(--margin "$HB_MARGIN")
[[ -z "${HB_DATA_ROOT:-}" ]] || compared+=(--data-root "$HB_DATA_ROOT")
for ((more = least + 1; more <= most; more++)); do
    undecided="$("${humanbench[@]}" compare "${compared[@]}" --undecided)" || break # the comparison below says what is wrong
    [[ -n "$undecided" ]] || break
    echo "compare.sh: seed $more of at most $most for $undecided" >&2
    new "$more" "$undecided"
    [[ "$base_is_here" == false ]] || base_here "$more" "$undecided"
done

arguments=("${compared[@]}" --save "$out/compare.md" --save "$out/compare.json" --save "$out/compare.xml")
[[ "${HB_GATE:-true}" == false ]] || arguments+=(--gate)
status=0
"${humanbench[@]}" compare "${arguments[@]}" || status=$?

if [[ -n "${GITHUB_STEP_SUMMARY:-}" && -f "$out/compare.md" ]]; then
    cat "$out/compare.md" >>"$GITHUB_STEP_SUMMARY"
fi
[[ $status -ne 0 ]] || status=$failed
exit "$status"
