# Two stages: the first has the compiler, the second only what runs. Debian, because DuckDB's binaries need glibc.
FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npx tsc -b \
  && npm prune --omit=dev --omit=peer --ignore-scripts --no-audit --no-fund \
  && find dist -name "*.map" -delete -o -name "*.d.ts" -delete -o -name "*.tsbuildinfo" -delete

FROM node:22-bookworm-slim
ENV NODE_ENV=production \
  FHIR_LAKE_HOME=/data/lake \
  FHIR_LAKE_CACHE=/data/cache
WORKDIR /app
COPY --from=build /build/package.json /build/LICENSE /build/README.md ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY --from=build /build/src/fhir/generated src/fhir/generated
COPY --from=build /build/viewdefinitions viewdefinitions
COPY --from=build /build/queries queries
# The program belongs to root and is not writable; only the data folder is the user's.
RUN install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT ?? 8080}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/src/app/cli/main.js"]
CMD ["--help"]
