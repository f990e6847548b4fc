# The project's image: the library, the DAGs, the contracts and suites of this checkout, on Airflow.
# What is installed is pinned by version and hash (requirements/*.lock); the registry is the one the build is told of.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY requirements/ requirements/
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes -r requirements/bootstrap.lock \
    && /opt/venv/bin/uv pip install --python /opt/venv/bin/python --compile-bytecode --require-hashes \
        -r requirements/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY ddcrm/ ddcrm/
RUN /opt/venv/bin/uv pip install --python /opt/venv/bin/python --compile-bytecode --no-deps --no-build-isolation .

FROM python:3.11.14-slim-bookworm
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin ddcrm \
    && install -d -o ddcrm -g ddcrm /opt/airflow /opt/airflow/logs /opt/airflow/private /var/lib/ddcrm /srv/sources
COPY --from=build /opt/venv /opt/venv
WORKDIR /project
COPY ddcrm.toml ./
COPY contracts/ contracts/
COPY expectations/ expectations/
COPY dags/ dags/
COPY plugins/ plugins/
COPY docker/ docker/
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 AIRFLOW_HOME=/opt/airflow \
    DDCRM_PROJECT_DIR=/project DDCRM_STATE_DIR=/var/lib/ddcrm DDCRM_SOURCES_DIR=/srv/sources
USER 10001
CMD ["ddcrm", "--help"]
