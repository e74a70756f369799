"""One shard of one case: the search of the unit sphere."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import campaign, files
    from lstm_gpu.progress import Progress
    from lstm_gpu.weights import Case

    content = campaign.align_shard(
        Case.from_dict(snakemake.params.case),
        seed=snakemake.params.seed,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        directions=snakemake.params.directions,
        backend=snakemake.params.backend,
        progress=Progress("align", stream=log),
    )
    files.write_json(snakemake.output[0], "align", content)
