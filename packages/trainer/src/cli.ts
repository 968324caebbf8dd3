#!/usr/bin/env node
/** The `dm` command's file: signals first, then what takes a second to load. */
import { guardSignals } from './terminal/endings.js';

guardSignals();
// Built as a file of its own: loaded only now.
await import(String(new URL('./main.js', import.meta.url)));
