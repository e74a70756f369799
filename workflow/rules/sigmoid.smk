# The four forms of sigma' in each floating-point format: one job per format, but for a float32 that is
# measured in full: one per range of values, which also measures how accurate exp, tanh and sigma are.


rule sigmoid:
    input:
        sources=CORE,
    output:
        "results/shards/sigmoid/{dtype}.json",
    log:
        "results/logs/sigmoid/{dtype}.log",
    benchmark:
        "results/benchmarks/sigmoid/{dtype}.tsv"
    wildcard_constraints:
        dtype="|".join(
            name for name in DTYPES if not (EXHAUSTIVE and name == "float32")
        ),
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=128 + margin,  # a block of values at a time, however many: under 50 measured
        runtime=10,
    params:
        points=lambda wildcards: configuration.sigmoid_points(config, wildcards.dtype),
    message:
        "Measuring the forms of sigma' in {wildcards.dtype}"
    script:
        "../scripts/sigmoid.py"


rule sigmoid_range:
    input:
        sources=CORE,
    output:
        "results/shards/sigmoid/float32/{start}-{stop}.json",
    log:
        "results/logs/sigmoid/float32/{start}-{stop}.log",
    benchmark:
        "results/benchmarks/sigmoid/float32/{start}-{stop}.tsv"
    priority: 1  # the float32 jobs wait for it
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **DEVICES,
        mem_mb=128 + margin + DEVICE_MEMORY,
        runtime=10,
    params:
        backend=lookup(dpath="backend", within=config),
    message:
        "Measuring float32 magnitudes {wildcards.start} to {wildcards.stop}"
    script:
        "../scripts/sigmoid_range.py"


if EXHAUSTIVE:

    rule sigmoid_merge:
        input:
            ranges=[
                f"results/shards/sigmoid/float32/{start}-{stop}.json"
                for start, stop in configuration.sigmoid_ranges()
            ],
            sources=CORE,
        output:
            survey="results/shards/sigmoid/float32.json",
            accuracy="results/shards/accuracy/float32.json",
        log:
            "results/logs/sigmoid/float32.log",
        benchmark:
            "results/benchmarks/sigmoid/float32.tsv"
        conda:
            "../../environment.yml"
        threads: 1
        resources:
            mem_mb=256 + margin,
            runtime=10,
        message:
            "Merging the ranges of float32"
        script:
            "../scripts/sigmoid_merge.py"
