# The executor's image. Entry point, user, probe command and paths are those that charts and
# manifests of Sourcegraph's own Kubernetes executor expect.
FROM debian:12-slim AS build
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
      gcc libc6-dev cmake ninja-build pkg-config \
      libcurl4-openssl-dev libuv1-dev libjansson-dev libyaml-dev liblua5.4-dev lua-cjson-dev \
      libmicrohttpd-dev libseccomp-dev
WORKDIR /src
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF \
 && cmake --build build/release --target lunexec lunexec-policy \
 && strip --strip-debug build/release/lunexec build/release/lunexec-policy

FROM debian:12-slim
# procps: charts probe with /usr/bin/pgrep -f /usr/local/bin/executor.
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
      ca-certificates git procps tini \
      libcurl4 libuv1 libjansson4 libyaml-0-2 libmicrohttpd12 libseccomp2 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 101 sourcegraph \
 && useradd --uid 100 --gid 101 --no-log-init --create-home sourcegraph
COPY --from=build /src/build/release/lunexec /usr/local/bin/executor
COPY --from=build /src/build/release/lunexec-policy /usr/local/bin/lunexec-policy
COPY --from=build /src/lua /usr/local/share/lunexec/lua
COPY --from=build /src/scripts /usr/local/share/lunexec/scripts
COPY --from=build /src/LICENSE /usr/local/share/doc/lunexec/LICENSE
RUN SANITY_CHECK=true /usr/local/bin/executor
USER 100:101
EXPOSE 6060
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/executor"]
