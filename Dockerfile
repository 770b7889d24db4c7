# The executor's image. Entry point, user, probe command and paths are those that charts and
# manifests of Sourcegraph's own Kubernetes executor expect. deploy/image/rootfs builds the same
# without a container engine, with the same scripts; the tests run that one.
#
#   docker build -t registry.example.com/lunexec:1 .
#
# The same image whenever it is built: pin the base and the packages.
#   --build-arg BASE=debian:12-slim@sha256:... --build-arg SNAPSHOT=20260101T000000Z
#   --build-arg SOURCE_DATE_EPOCH=... --output type=image,rewrite-timestamp=true
# Only the two steps that install packages need the network.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY .ci/install .ci/packages .ci/
RUN .ci/install build
COPY . .
RUN .ci/build release && deploy/image/stage build/release /staged

FROM ${BASE} AS system
ARG SNAPSHOT=
COPY deploy/image/packages /root/packages
RUN /root/packages && rm /root/packages
COPY --from=build /staged /
COPY deploy/image/finish /root/finish
RUN /root/finish && rm /root/finish

# One layer, without what was only there on the way.
FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lunexec" \
      org.opencontainers.image.description="Runs Sourcegraph executor jobs as Kubernetes Jobs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=system / /
ENV PATH=/usr/local/bin:/usr/bin:/bin
USER 100:101
EXPOSE 6060
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/executor"]
