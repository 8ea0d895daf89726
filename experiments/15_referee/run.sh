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

measure() { # files of activations, and options
    spikehead benchmark "$@" --record record.json --threads 1 "${learners[@]}"
}
parts() { # a data set, and options
    measure "$folder/$1-train.npz" --test "$folder/$1-test.npz" "${@:2}"
}
against() { # who takes part beside our heads
    learners=()
    for name in "$@"; do learners+=(--against "$name"); done
}
short=(--protocol "one pass" --protocol few --protocol "class after class" --protocol "late class"
    --protocol "wrong labels, 20%")

against "nearest class mean" "cosine class mean" "streaming LDA" "ridge regression" \
    "prototypes (CLP-SNN)" "SGD, logistic loss" "passive-aggressive" "5 nearest neighbours" \
    "Gaussian naive Bayes" "logistic regression"
for data in digits-pixels caltech-50-signed imagenette-300 caltech-50; do parts $data; done
# 50,000 examples, and 2,048 inputs: those that take the least time.
against "nearest class mean" "cosine class mean" "streaming LDA" "ridge regression"
few=(--protocol "one pass" --protocol few --protocol "class after class")
parts cifar10 "${few[@]}"
parts digits "${few[@]}"
parts mnist "${few[@]}" --orders 1

# Of our heads, parts left out.
against "decorrelated: "{"no lateral inhibition","no depression",neither} \
    "decorrelated: "{"a fixed rate of 0.1","compared without energy","branches of 256 inputs"}
for data in digits-pixels caltech-50-signed imagenette-300 caltech-50; do parts $data "${short[@]}"; done
against "paper: no "{depression,renormalisation,stability,"rising threshold",noise} "paper: one network"
for data in digits-pixels caltech-50-signed; do parts $data "${short[@]}"; done

# These solve for 2,000 random features at every point, or see all examples several times.
against "random projection + ridge" "kernel LDA" "ANN, 1 epoch" "ANN, 12 epochs"
for data in digits-pixels caltech-50-signed imagenette-300 caltech-50; do parts $data "${short[@]}"; done

# River's learn feature by feature in Python: 64 features only.
against "River: "{"softmax regression","passive-aggressive","Gaussian naive Bayes"} \
    "River: "{"k nearest neighbours, window","Hoeffding tree","adaptive random forest"}
parts digits-pixels "${short[@]}"
