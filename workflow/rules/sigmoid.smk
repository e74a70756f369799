# The four forms of sigma' in each floating-point format: one job per format.


rule sigmoid:
    input:
        sources=CORE,
    output:
        "results/shards/sigmoid/{dtype}.json",
    log:
        "results/logs/sigmoid/{dtype}.log",
    benchmark:
        "results/benchmarks/sigmoid/{dtype}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=1024,
    params:
        points=lambda wildcards: configuration.sigmoid_points(config, wildcards.dtype),
    message:
        "Measuring the forms of sigma' in {wildcards.dtype}"
    script:
        "../scripts/sigmoid.py"
