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
    && useradd --system --no-create-home --shell /usr/sbin/nologin marquee \
    && python -m pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel
WORKDIR /srv/marquee
COPY --from=build /venv /venv
COPY app.py wsgi.py ./
COPY config config
COPY recommender recommender
COPY sql sql
# A volume mounted here gets this owner.
RUN mkdir .models && chown marquee .models
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    HOST=0.0.0.0 \
    PORT=5000
USER marquee
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import os, http.client as h; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', '/health'); exit(c.getresponse().status != 200)"]
CMD ["gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]
