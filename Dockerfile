# A trained model as a service, on the light runtime: neither PyTorch nor AllenNLP, no compiler.
#
#   docker build -t joint_ner_re .
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD/first:/model:ro" joint_ner_re
#
# `first` is a directory that `allennlp export` wrote. See docs/serve.md.

FROM python:3.12-slim AS build
RUN python -m venv --without-pip /opt/joint_ner_re
COPY requirements/serve.txt /build/requirements/serve.txt
# Wheels only, so nothing is compiled and nothing of theirs runs.
RUN python -m pip --python /opt/joint_ner_re/bin/python install --no-cache-dir --no-deps \
    --only-binary :all: --require-hashes -r /build/requirements/serve.txt
COPY LICENSE README.md pyproject.toml setup.cfg joint_ner_re_spacy.py /build/
COPY joint_ner_re /build/joint_ner_re
# With the setuptools of the lock.
RUN python -m pip --python /opt/joint_ner_re/bin/python install --no-cache-dir --no-deps \
    --no-build-isolation /build

FROM python:3.12-slim
# A home, in which models of the Hugging Face hub are kept.
RUN useradd --create-home --uid 10001 reader
COPY --from=build /opt/joint_ner_re /opt/joint_ner_re
ENV PATH=/opt/joint_ner_re/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/reader
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "from http.client import HTTPConnection; c = HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["joint-ner-re", "serve", "/model", "--host", "0.0.0.0", "--port", "8000"]
