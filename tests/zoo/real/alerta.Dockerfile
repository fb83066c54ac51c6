FROM python:3.11-slim
WORKDIR /usr/local
COPY requirements.txt wheels/ /wheels/
RUN pip install --no-cache-dir --no-index --find-links /wheels -r /wheels/requirements.txt
