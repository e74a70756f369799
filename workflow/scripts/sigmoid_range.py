"""Every float32 of a range: the forms of sigma', and the errors of exp, tanh and sigma."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import exhaustive, files
    from lstm_gpu.progress import Progress

    content = exhaustive.measure_range(
        int(snakemake.wildcards.start),
        int(snakemake.wildcards.stop),
        backend=snakemake.params.backend,
        progress=Progress("sigmoid", unit="values", stream=log),
    )
    files.write_json(snakemake.output[0], "sigmoid_range", content)
