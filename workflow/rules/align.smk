# The search of the unit sphere for the forget gate's maximum: each job takes many shards.


rule align:
    input:
        accuracy=measured_accuracy,
        sources=CORE,
    output:
        "results/jobs/align/{job}.json",
    log:
        "results/logs/align/{job}.log",
    benchmark:
        "results/benchmarks/align/{job}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        **DEVICES,
        mem_mb=memory_of("align"),
        runtime=minutes_of("align"),
    params:
        work=of_job("align", "work"),
        seed=lookup(dpath="seed", within=config),
        directions=lookup(dpath="sphere/directions", within=config),
        backend=lookup(dpath="backend", within=config),
    message:
        "Searching the sphere (job {wildcards.job})"
    script:
        "../scripts/align.py"
