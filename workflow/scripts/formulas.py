"""One shard of one case: readers' own formulas against references."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import files
    from lstm_gpu.formulas.shard import formulas_shard
    from lstm_gpu.progress import Progress
    from lstm_gpu.weights import Case

    content = formulas_shard(
        snakemake.input.files,
        Case.from_dict(snakemake.params.case),
        seed=snakemake.params.seed,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        backend=snakemake.params.backend,
        progress=Progress("formulas", stream=log),
    )
    files.write_json(snakemake.output[0], "formulas", content)
