"""Benchmarks, each a command that prints the machine, itself and one table.

    python -m bench.extraction    images/s of the stage `extract` against Keras and the bare network
    python -m bench.workflow      what a change and no change cost: DVC, the head, predict
    python -m bench.precision     what int8 costs in accuracy
    python -m bench.store         what the feature store saves
    python -m bench.scale         time and memory at 10,000 to 1,000,000 images
    python -m bench.tails         fine-tuning from cached activations beside plain Keras
    python -m bench.finetuning    what fine-tuning reaches, and what views are worth
    python -m bench.cluster       a Ray cluster beside this machine alone

`make help` says which of them `make` runs.  They call what users call, `python -m stages...` and
`dvc`, in workspaces of their own below the folder for temporary files ($TMPDIR), and leave the
repository and the user's store of features as they are.  Everything that is measured runs in a
fresh process.
"""
