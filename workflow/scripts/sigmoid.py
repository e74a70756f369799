"""The forms of sigma' in one floating-point format."""

from lstm_gpu.job import job

with job(snakemake) as log:
    from lstm_gpu import campaign, files
    from lstm_gpu.progress import Progress

    content = campaign.sigmoid_survey(
        snakemake.wildcards.dtype,
        snakemake.params.points,
        progress=Progress("sigmoid", unit="points", stream=log),
    )
    files.write_json(snakemake.output[0], "sigmoid", content)
