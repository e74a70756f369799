"""One shard of one case: formulas against references."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import campaign, files
    from lstm_gpu.progress import Progress
    from lstm_gpu.weights import Case

    content = campaign.check_shard(
        Case.from_dict(snakemake.params.case),
        seed=snakemake.params.seed,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        backend=snakemake.params.backend,
        progress=Progress("check", stream=log),
    )
    files.write_json(snakemake.output[0], "check", content)
