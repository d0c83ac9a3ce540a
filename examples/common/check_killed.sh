#!/bin/sh
# Training that is killed and resumed, several times, ends with the same file, byte for byte, as
# training that was left alone; and Ctrl-C ends it with all it otherwise writes at its end.
set -eu
program=$1 directory=$2/check_killed
rm -rf "$directory"
mkdir "$directory"
cd "$directory"
trap 'kill -9 $pid 2>/dev/null || true' EXIT

fail() {
  echo "$1"
  cat log
  exit 1
}

# Starts training in the background, and waits until it has saved once more.
train_until_saved() {
  before=$(stat -c %i killed 2>/dev/null || true)
  "$program" --sample 0 --kneser-ney 1 --save killed "$@" >log 2>&1 &
  pid=$!
  while [ "$(stat -c %i killed 2>/dev/null || true)" = "$before" ]; do
    kill -0 $pid 2>/dev/null || fail "training ended without saving"
    sleep 0.01
  done
}

"$program" --sample 0 --kneser-ney 1 --steps 600 --evaluations 30 --save whole >log 2>&1 ||
  fail "training failed"
train_until_saved --steps 600 --evaluations 30
kill -9 $pid
for _ in 1 2; do
  train_until_saved --resume killed
  kill -9 $pid || fail "training ended before it was killed"
done
! cmp -s whole killed || fail "training ended before it was killed"
"$program" --sample 0 --kneser-ney 1 --resume killed --save killed >log 2>&1 || fail "not resumed"
cmp whole killed

rm killed
train_until_saved --steps 1000000 --evaluations 10000 --report report
kill -INT $pid
wait $pid || [ $? = 1 ] || fail "interrupted: another exit code"
grep -q '^interrupted: training ends$' log || fail "interrupted: not said"
grep -q '^test_loss,' report || fail "interrupted: no report"
"$program" --sample 0 --kneser-ney 1 --resume killed --steps 1 >log 2>&1 || [ $? = 1 ] ||
  fail "interrupted: not to be resumed"
