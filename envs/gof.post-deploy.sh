#!/usr/bin/env bash
# Snakemake runs this in the new environment, in the folder it was called from: that of the Snakefile.
set -euo pipefail
python -m pip install -c envs/constraints.txt -e .
