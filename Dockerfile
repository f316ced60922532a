# docker build -t tbd .
# docker run --rm -v "$PWD:/work" tbd demo                     on a CPU
# docker run --rm --gpus all -v "$PWD:/work" tbd doctor        torch's Linux wheels bring CUDA; the host brings the driver
FROM python:3.11-slim
# Further options of pip, such as an index with smaller CPU-only wheels of torch.
ARG PIP_OPTIONS=""
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 TBD_CACHE=/cache/tbd HF_HOME=/cache/huggingface
# OpenCV, which aligns faces, links to these two.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/tbd
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE constraints.txt ./
COPY tbd tbd
COPY annotate annotate
COPY evaluate evaluate
COPY train train
COPY replicate replicate
COPY data_manifests data_manifests
# hadolint ignore=SC2086
RUN pip install . --constraint constraints.txt $PIP_OPTIONS && \
    useradd --create-home --uid 1000 tbd && mkdir -p /cache /work && chown tbd /cache /work
USER 1000
WORKDIR /work
ENTRYPOINT ["tbd"]
CMD ["--help"]
