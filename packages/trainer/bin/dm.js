#!/usr/bin/env node
// In the repository, unlike dist, so that package managers can link it before the first build.
import '../dist/cli.js';
