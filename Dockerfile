# One image for every process: `docker build -t tandem .`, then `docker run tandem webhook`, `api`, `subscribe`, `reconcile`, `write`, `schedule`.
# `--target simulator` has the pretended Salesforce org as well.

FROM python:3.13-slim-bookworm AS base

# Wheels only: nothing is compiled, here or later, and what is installed is what was locked.
FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/tandem
COPY requirements/runtime.txt requirements/demo.txt requirements/
RUN /opt/tandem/bin/pip install --require-hashes --only-binary=:all: --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY adapters adapters
COPY listener listener
COPY consumers consumers
COPY ops ops
COPY simulator simulator
RUN pip wheel --no-deps --wheel-dir dist . \
 && /opt/tandem/bin/pip install --no-deps dist/*.whl \
 && /opt/tandem/bin/tandem --help > /dev/null

FROM build AS build-simulator
RUN awk '/^lark==/ { wanted = 1 } wanted { print } wanted && !/\\$/ { exit }' requirements/demo.txt > lark.txt \
 && /opt/tandem/bin/pip install --require-hashes --only-binary=:all: --requirement lark.txt \
 && /opt/tandem/bin/python -c 'import simulator.org.app'

FROM base AS runtime
RUN useradd --system --uid 10001 --home-dir /var/lib/tandem --create-home --shell /usr/sbin/nologin tandem
ENV PATH=/opt/tandem/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOG_FORMAT=json \
    WEBHOOK_HOST=0.0.0.0 \
    WEBHOOK_PORT=8080 \
    OPS_HOST=0.0.0.0 \
    OPS_PORT=8081
WORKDIR /var/lib/tandem
USER 10001:10001
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "ops.probe", "health"]
ENTRYPOINT ["tandem"]
CMD ["--help"]

FROM runtime AS simulator
COPY --from=build-simulator /opt/tandem /opt/tandem

# The last stage is the one that is built by default.
FROM runtime AS tandem
COPY --from=build /opt/tandem /opt/tandem
