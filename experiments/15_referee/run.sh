#!/bin/bash
# Let the benchmark measure all that record.json lacks; FOLDER is that of ../16_decorrelated/encode.py.
#
#     pip install ".[river]" experiments/15_referee/ablations
#     experiments/15_referee/run.sh FOLDER
#
# It can be stopped at any time, and goes on where it was.
set -e
folder=$1
cd "$(dirname "$0")"

measure() { # a data set, and options
    local data=$folder/$1
    spikehead benchmark "$data-train.npz" --test "$data-test.npz" --record record.json --threads 1 "${@:2}"
}
against() { # sets `learners` to the options that name them
    learners=()
    for name in "$@"; do learners+=(--against "$name"); done
}
short=(--protocol "one pass" --protocol few --protocol "class after class" --protocol "late class"
    --protocol "wrong labels, 20%")

against "nearest class mean" "cosine class mean" "streaming LDA" "ridge regression" \
    "prototypes (CLP-SNN)" "SGD, logistic loss" "passive-aggressive" "5 nearest neighbours" \
    "Gaussian naive Bayes" "logistic regression"
for data in digits-pixels caltech-50-signed imagenette-300 caltech-50; do
    measure $data "${learners[@]}"
done

# Of our heads, parts left out.
against "decorrelated: "{"no lateral inhibition","no depression",neither} \
    "decorrelated: "{"a fixed rate of 0.1","compared without energy","branches of 256 inputs"} \
    "paper: no "{depression,renormalisation,stability,"rising threshold",noise} "paper: one network"
for data in digits-pixels caltech-50-signed; do measure $data "${learners[@]}"; done
measure caltech-50 "${learners[@]}" "${short[@]}"

# These solve for 2,000 random features at every point, or see all examples several times.
against "random projection + ridge" "kernel LDA" "ANN, 1 epoch" "ANN, 12 epochs"
for data in digits-pixels caltech-50-signed imagenette-300 caltech-50; do
    measure $data "${learners[@]}" "${short[@]}"
done

# River's learn feature by feature in Python: 64 features only.
against "River: "{"softmax regression","passive-aggressive","Gaussian naive Bayes"} \
    "River: "{"k nearest neighbours, window","Hoeffding tree","adaptive random forest"}
measure digits-pixels "${learners[@]}" "${short[@]}"
