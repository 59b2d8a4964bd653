# The service without compiler, pip and embedded PostgreSQL, and not as root. It listens on all addresses, so it
# requires API_KEYS (or ALLOW_ANONYMOUS=true).
FROM python:3.11-slim AS build
WORKDIR /build
COPY hashes/service.txt ./
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: \
        --require-hashes -r service.txt \
    && /venv/bin/python -m pip uninstall --yes --quiet pip setuptools

FROM python:3.11-slim
# The driver checks certificates of databases by this file (sslrootcert).
RUN test -s /etc/ssl/certs/ca-certificates.crt \
    && useradd --uid 10001 --gid 0 --no-create-home --shell /usr/sbin/nologin marquee \
    && python -m pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel
WORKDIR /srv/marquee
COPY --from=build /venv /venv
COPY app.py wsgi.py ./
COPY config config
COPY recommender recommender
COPY sql sql
# A volume mounted here gets this owner. OpenShift runs the image as any user of group 0.
RUN mkdir .models && chown 10001:0 .models && chmod g=u .models
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    HOST=0.0.0.0 \
    PORT=5000
# By number: Kubernetes' runAsNonRoot refuses names.
USER 10001:0
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-m", "config.healthcheck"]
CMD ["gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
