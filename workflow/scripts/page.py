"""The report's page, from the tables and the figures."""

from pathlib import Path

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu.report import digests, page

    results = Path(snakemake.output[0]).parent
    digests.check(results)
    page.write(results)
