#!/bin/sh
# Proves, in less than a minute and without touching anything of yours, what a shell cannot do:
#
#     examples/prove.sh                        the program is target/release/shipote
#     SHIPOTE=/usr/bin/shipote examples/prove.sh
#
# Each claim is checked; the last lines are the table, and the exit code is 0 only if every claim holds.
set -u

here="$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)"
shipote="${SHIPOTE:-$here/../target/release/shipote}"
if [ ! -x "$shipote" ]; then
    echo "prove: $shipote is not there; build it with: cargo build --release" >&2
    exit 2
fi

dir="$(mktemp -d "${TMPDIR:-/tmp}/shipote-prove.XXXXXX")" || exit 2
unset SHIPOTE_SOCKET
export SHIPOTE_STATE_DIR="$dir/state" NO_COLOR=1
daemon=
failed=0
table=

# The tree carries a number in its command lines that nobody else sleeps for; it stands in a file, so that the
# processes that look for it do not carry it themselves.
mark="86400.$$$(date +%N)"
echo "$mark" > "$dir/mark"
plain_mark="86401.$$$(date +%N)"
echo "$plain_mark" > "$dir/plain-mark"

marked() { grep -lsaF -f "$dir/$1" /proc/[0-9]*/cmdline | sed 's|/proc/\([0-9]*\)/.*|\1|'; }
count() { marked "$1" | wc -l; }

clean_up() {
    # Only what was started here: the daemon by its pid, the rest by its mark.
    [ -n "$daemon" ] && kill -KILL "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null
    for pid in $(marked mark) $(marked plain-mark); do kill -KILL "$pid" 2>/dev/null; done
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# until_true TRIES COMMAND…: asks every 20 ms.
until_true() {
    tries="$1"
    shift
    while [ "$tries" -gt 0 ]; do
        "$@" && return 0
        tries=$((tries - 1))
        sleep 0.02
    done
    return 1
}

# row CLAIM SHIPOTE OTHER: adds a line to the table.
row() {
    table="$table$(printf '%-42s  %-34s  %s' "$1" "$2" "$3")
"
}

# claim CONDITION-RESULT CLAIM: says whether it holds.
claim() {
    if [ "$1" = 0 ]; then
        echo "  holds: $2"
    else
        echo "  DOES NOT HOLD: $2"
        failed=1
    fi
}

start_daemon() {
    "$shipote" daemon > "$dir/daemon.out" 2>> "$dir/daemon.err" &
    daemon=$!
    until_true 500 answers || {
        echo "prove: the daemon does not answer; it said:" >&2
        cat "$dir/daemon.err" >&2
        exit 1
    }
}
answers() { "$shipote" daemon status > /dev/null 2>&1; }

# Each round leaves its parent, its session and its process group, and ignores what asks it to end.
cat > "$dir/tree.sh" <<'TREE'
trap "" TERM HUP INT
for round in 1 2 3; do
    ( setsid sh -c "sleep $1 & sleep $1 & wait" & )
done
exec sleep "$1"
TREE
cat > "$dir/tree.toml" <<CARD
[workspace]
label = "tree"

[[commands]]
label = "stubborn"
run = ["sh", "$dir/tree.sh", "$mark"]
restart = "failure"

[[pipelines]]
label = "pulse"
chain = true
nodes = [
  { label = "beat", shell = "while echo beat; do sleep 1; done" },
  { label = "sink", shell = "cat > /dev/null" },
]
restart_on_failure = true
CARD
size=10
whole() { [ "$(count "$1")" -eq "$size" ]; }
none() { [ "$(count "$1")" -eq 0 ]; }

# What one command says of the workspace and the pipeline.
id() { "$shipote" ws show tree | sed -n '1s/^tree  *\([0-9A-Z]*\) .*/\1/p'; }
beat_pid() { "$shipote" ps | awk '$1 == "tree/pulse/beat" { print $4 }'; }
beats() { [ "$(beat_pid)" -gt 0 ] 2> /dev/null; }

echo "1. kill -9 of the keeper, over processes that fork twice, call setsid and ignore TERM"
start_daemon
"$shipote" --quiet up --detach "$dir/tree.toml" > /dev/null || exit 1
until_true 250 whole mark && until_true 250 beats
before="$(count mark)"
first_id="$(id)"
first_beat="$(beat_pid)"
claim "$([ "$before" -eq "$size" ]; echo $?)" "$before processes run in the workspace"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
daemon=
until_true 50 none mark
after="$(count mark)"
claim "$([ "$after" -eq 0 ]; echo $?)" "a second later $after of them are alive"

setsid nohup sh "$dir/tree.sh" "$plain_mark" > /dev/null 2>&1 &
keeper=$!
until_true 250 whole plain-mark
plain_before="$(count plain-mark)"
kill -TERM "$keeper" 2>/dev/null
sleep 1
plain_after="$(count plain-mark)"
claim "$([ "$plain_after" -eq "$plain_before" ]; echo $?)" "with setsid nohup and kill, $plain_after of $plain_before are"
row "processes after the keeper was killed" "$before -> $after" "$plain_before -> $plain_after (setsid nohup)"

echo "2. the keeper is started again"
start_daemon
until_true 250 beats
until_true 250 whole mark
second_id="$(id)"
second_beat="$(beat_pid)"
claim "$([ -n "$first_id" ] && [ "$first_id" = "$second_id" ]; echo $?)" "the workspace is still $second_id"
claim "$(beats && [ "$first_beat" != "$second_beat" ]; echo $?)" "the pipeline runs again (pid $first_beat, now $second_beat)"
claim "$(whole mark; echo $?)" "so does the command, with $(count mark) processes"
row "what was declared, after a restart" "same id, pipeline relaunched" "-"
"$shipote" --quiet ws rm tree > /dev/null || failed=1
until_true 50 none mark
claim "$(none mark; echo $?)" "after ws rm, $(count mark) processes are left"

echo "3. a stage fails in the middle"
cat > "$dir/middle.toml" <<'CARD'
[workspace]
label = "middle"

[[pipelines]]
label = "sums"
chain = true
nodes = [
  { label = "numbers", run = ["seq", "1", "1000"] },
  { label = "filter", shell = "head -n 10; exit 3" },
  { label = "sum", run = ["wc", "-l"] },
]
CARD
said="$("$shipote" up "$dir/middle.toml" 2> "$dir/middle.err")"
code=$?
claim "$([ "$code" -eq 1 ]; echo $?)" "shipote exits with $code"
claim "$(grep -q 'because of filter' "$dir/middle.err"; echo $?)" "and names the stage: $(grep -o 'failed in .*because of filter' "$dir/middle.err" | head -n 1)"
bash -c "seq 1 1000 | { head -n 10; exit 3; } | wc -l" > "$dir/middle.bash"
bash_code=$?
claim "$([ "$said" = "$(cat "$dir/middle.bash")" ]; echo $?)" "the bytes on stdout are the same as bash's"
claim "$([ "$bash_code" -eq 0 ]; echo $?)" "bash exits with $bash_code"
row "a stage that fails in the middle" "exit $code, because of filter" "exit $bash_code (bash)"

echo "4. one bit of the state flips"
kill -TERM "$daemon"
wait "$daemon"
claim "$?" "the daemon ends cleanly on TERM"
daemon=
state="$SHIPOTE_STATE_DIR/state.json"
colon="$(grep -abo '"workspaces":' "$state" | head -n 1 | cut -d: -f1)"
printf ';' | dd of="$state" bs=1 seek="$((colon + 12))" conv=notrunc 2> /dev/null
sum="$(sha256sum < "$state")"
stamp="$(stat -c %y "$state")"
"$shipote" daemon > /dev/null 2> "$dir/refused.err" &
daemon=$!
wait "$daemon"
code=$?
daemon=
place="$(sed -n 's/^ *--> state\.json:\([0-9][0-9]*\):\([0-9][0-9]*\)$/line \1, column \2/p' "$dir/refused.err" | head -n 1)"
claim "$([ "$code" -eq 65 ]; echo $?)" "the daemon refuses it with exit $code"
claim "$([ -n "$place" ]; echo $?)" "and names the place: $place"
claim "$([ "$sum" = "$(sha256sum < "$state")" ] && [ "$stamp" = "$(stat -c %y "$state")" ]; echo $?)" "the file was not touched"
row "one bit flipped in what was saved" "refused at $place" "-"

echo
printf '%-42s  %-34s  %s\n' "" "shipote" "without it"
printf '%s' "$table"
if [ "$failed" -ne 0 ]; then
    echo
    echo "prove: a claim does not hold" >&2
    exit 1
fi
