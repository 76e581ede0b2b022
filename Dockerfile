# Builds the environment of requirements.lock with CPU builds of PyTorch:
#   docker build --tag dhel-kcl . && docker run --name reproduction dhel-kcl
# What was stopped goes on: docker start --attach reproduction
# Results: docker cp reproduction:/dhel-kcl/results . && docker cp reproduction:/dhel-kcl/paper_figures .
# For a GPU leave PIP_EXTRA_INDEX_URL empty (--build-arg PIP_EXTRA_INDEX_URL=) and run with --gpus all.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm --recursive --force /var/lib/apt/lists/*
WORKDIR /dhel-kcl
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
COPY . .
RUN git config --system --add safe.directory /dhel-kcl && make install
CMD ["make", "reproduce"]
