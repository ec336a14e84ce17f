# Airflow with what Midnight needs: the same lock file as `make up` installs, every package checked against its hash.
# Synapse's driver comes with mssql-python; the base image brings the libraries that it needs (libltdl7, Kerberos).
FROM apache/airflow:3.3.2-python3.11

# It stays in the image: `python -m cli doctor` compares with it.
COPY --chown=airflow:0 requirements.txt /opt/airflow/requirements.txt
RUN pip install --no-cache-dir --require-hashes --requirement /opt/airflow/requirements.txt

# plugins/ needs include/ and spark_jobs/ next to it, as in the repository. Airflow adds plugins/ to the path itself, but
# after it has imported its secrets backend, which is ours (docs/adr/0011).
ENV PYTHONPATH=/opt/airflow:/opt/airflow/plugins
# Airflow compares the deployed Databricks job's wheel with the one that these sources make.
COPY --chown=airflow:0 pyproject.toml /opt/airflow/pyproject.toml
COPY --chown=airflow:0 spark_jobs /opt/airflow/spark_jobs
COPY --chown=airflow:0 cli /opt/airflow/cli
COPY --chown=airflow:0 tools /opt/airflow/tools
COPY --chown=airflow:0 include /opt/airflow/include
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 config /opt/airflow/config

# A named volume takes over the owner of the folder in the image.
RUN mkdir -p /opt/airflow/midnight
