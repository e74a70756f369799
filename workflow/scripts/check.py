"""One shard of one case: formulas against references."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import campaign, exhaustive, files
    from lstm_gpu.progress import Progress
    from lstm_gpu.weights import Case

    case, backend = Case.from_dict(snakemake.params.case), snakemake.params.backend
    content = campaign.check_shard(
        case,
        seed=snakemake.params.seed,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        backend=backend,
        progress=Progress("check", stream=log),
        accuracy=exhaustive.accuracy_from(snakemake.input.accuracy, case.dtype, backend),
    )
    files.write_json(snakemake.output[0], "check", content)
