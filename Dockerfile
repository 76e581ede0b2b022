# Builds the environment of requirements.lock with CPU builds of PyTorch:
#   docker build --tag dhel-kcl . && docker run --rm dhel-kcl
# Results leave the container through a mount: docker run --rm --volume "$PWD/out:/dhel-kcl/results" dhel-kcl
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
