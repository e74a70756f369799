"""The ranges of float32 as one survey, and as the accuracy of the backend's functions."""

from lstm_gpu.job import job

with job(snakemake):
    from lstm_gpu import exhaustive, files

    parts = [files.read_json(path, "sigmoid_range") for path in snakemake.input.ranges]
    survey, accuracy = exhaustive.merge(parts)
    files.write_json(snakemake.output.survey, "sigmoid", survey)
    files.write_json(snakemake.output.accuracy, "accuracy", accuracy)
