"""The report's page, from the tables and the figures."""

from pathlib import Path

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu.report import page

    page.write(Path(snakemake.output[0]).parent)
