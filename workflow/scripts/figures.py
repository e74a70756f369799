"""The figures, from the tables alone."""

from pathlib import Path

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu.report import digests, figures

    results = Path(snakemake.input.tables[0]).parent
    digests.check(results, ["manifest.json"])
    figures.draw(results)
