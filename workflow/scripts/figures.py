"""The figures, from the tables alone."""

from pathlib import Path

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu.report import figures

    figures.draw(Path(snakemake.input.tables[0]).parent)
