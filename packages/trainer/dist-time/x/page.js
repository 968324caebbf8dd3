// src/page.ts
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join as join2 } from "node:path";

// ../../packages/trainer/src/report/experiments-page.ts
import { dirname, relative } from "node:path";

// ../../packages/trainer/src/errors.ts
import { DmError } from "@dm/ops";
var UserError = class extends DmError {
  name = "UserError";
  /** The lines of the message, one per problem. A line break inside a line comes from a value that it quotes. */
  lines;
  constructor(message, options = {}) {
    const lines = typeof message === "string" ? [message] : message;
    super(lines.join("\n"), { code: "OPTION_INVALID", ...options });
    this.lines = lines;
  }
};
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

// ../../packages/trainer/src/text/escape.ts
var unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}]/gu;
var short = { "\n": String.raw`\n`, "\r": String.raw`\r`, "	": String.raw`\t` };
function escapeText(text2) {
  return text2.replaceAll(unsafe, visible);
}
function visible(character) {
  const code = character.codePointAt(0);
  if (code > 65535) return `\\u{${code.toString(16)}}`;
  return short[character] ?? (code > 255 ? `\\u${hex(code, 4)}` : `\\x${hex(code, 2)}`);
}
var hex = (code, digits) => code.toString(16).padStart(digits, "0");

// ../../packages/trainer/src/report/markdown.ts
function escapeMarkdown(text2) {
  return escapeText(text2.replaceAll(/\s*[\r\n\u2028\u2029]\s*/g, " ")).replaceAll(
    /[\\|`*]|<(?=[a-z/!?])|~(?=\S)|(?<=\S)~|](?=[([])|!(?=\[)|(?<=:)\/(?=\/)|(?<=www)\.|(?<=\S)@(?=\S)/gi,
    String.raw`\$&`
  ).replaceAll(/&(?=#?\w+;)/g, "&amp;");
}
function markdownCode(text2) {
  return `\`${escapeText(text2).replaceAll("`", String.raw`\x60`)}\``;
}
function markdownAddress(path) {
  return path.split(/[\\/]/).map((part) => encodeURIComponent(part).replaceAll(/[()'*!]/g, percent)).join("/");
}
var percent = (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
function markdownTable(columns, rows) {
  const text2 = (cell) => typeof cell === "string" ? escapeMarkdown(cell) : cell.markdown;
  const line = (cells) => `| ${cells.map(text2).join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}
function markdownFigure(address, caption) {
  const text2 = escapeMarkdown(caption);
  return `![${text2}](${address})

_${text2}_`;
}

// ../../packages/trainer/src/report/experiment-results.ts
import { fileKind, insideFolder, listFolder, readJsonFile } from "@dm/files";
import { join } from "node:path";
import * as z from "zod";

// ../../packages/trainer/src/files/check-value.ts
import { FileError } from "@dm/files";

// ../../packages/trainer/src/files/first-problem.ts
function firstProblem({ issues }) {
  const [issue] = issues;
  return [issue.path.join("."), issue.message].filter(Boolean).join(": ");
}

// ../../packages/trainer/src/files/check-value.ts
function checkValue(schema, value, source) {
  const { data, error } = schema.safeParse(value);
  if (error === void 0) return data;
  throw new FileError(source, `is invalid: ${firstProblem(error)}.`, { code: "FILE_INVALID" });
}

// ../../packages/trainer/src/report/experiment-results.ts
var shortText = z.string().max(200);
var text = z.string().max(1e4);
var list = (of, max = 1e3) => z.array(of).max(max);
var tableSchema = z.object({ title: text, columns: list(text, 100), rows: list(list(text, 100), 1e4) }).refine(({ columns, rows }) => rows.every((row) => row.length === columns.length), {
  error: "has rows with more or fewer cells than columns"
});
var resultsSchema = z.object({
  experiment: shortText,
  configuration: shortText,
  claim: text,
  /** The claim or question in a few words. */
  inShort: text,
  /** What readers must know before they use any number of these results. */
  notice: text.exactOptional(),
  /** Absent if the result is not a yes or no: the sentences state it in numbers. */
  verdict: z.enum(["holds", "does not hold", "depends", "open"]).exactOptional(),
  /** The number that a summary quotes, with its name; if absent, the first sentence is used. */
  key: text.exactOptional(),
  sentences: list(text).min(1),
  /** Whether all planned training runs are finished. */
  isComplete: z.boolean(),
  seeds: list(z.int()),
  command: text,
  machine: z.object({ cpu: shortText, cores: z.int().min(1), node: shortText, onnxruntime: shortText }),
  /** Total training time, in minutes. */
  trialMinutes: z.number().min(0),
  tables: list(tableSchema),
  /** Files in the same folder as results.json. */
  figures: list(z.object({ file: z.string().min(1).max(1e3), caption: text }))
});
var projectSchema = z.looseObject({ targets: z.looseObject({ experiment: z.unknown().optional() }).exactOptional() });
var SMOKE = "smoke";
function readExperiments(folder) {
  const names = namesIn(folder).filter((name) => isExperiment(join(folder, name)));
  if (names.length === 0) {
    throw new UserError(
      `There is no experiment in ${folder}. Give the folder that contains one folder per experiment.`,
      {
        code: "FILE_NOT_FOUND"
      }
    );
  }
  return names.toSorted().map((name) => {
    const results = join(folder, name, "results");
    const configurations = namesIn(results).filter((entry) => entry !== SMOKE);
    return {
      name,
      results: configurations.toSorted().map((configuration) => join(results, configuration)).filter((path) => fileKind(join(path, "results.json")) !== void 0).map((path) => ({ folder: path, found: readResults(path, name) }))
    };
  });
}
function namesIn(folder) {
  return fileKind(folder) === "folder" ? listFolder(folder).map(({ name }) => name) : [];
}
function isExperiment(folder) {
  const path = join(folder, "project.json");
  if (fileKind(path) === void 0) return false;
  return checkValue(projectSchema, readJsonFile(path), path).targets?.experiment !== void 0;
}
function readResults(folder, name) {
  const path = join(folder, "results.json");
  const invalid = (why) => new UserError(`${path} ${why} Regenerate it with the experiment's command and --report.`, {
    code: "FILE_INVALID"
  });
  const { data, error } = resultsSchema.safeParse(readJsonFile(path));
  if (error !== void 0) throw invalid(`is invalid: ${firstProblem(error)}.`);
  if (data.experiment !== name) {
    throw new UserError(`${path} contains results of ${data.experiment}, but is in the folder of ${name}.`, {
      code: "FILE_INVALID"
    });
  }
  for (const [i, { file }] of data.figures.entries()) {
    if (fileKind(figurePath(folder, file, `${path}: figures.${i}.file`)) === "file") continue;
    throw invalid(`refers to the figure ${file}, which is missing.`);
  }
  return data;
}
function figurePath(folder, file, source) {
  try {
    return insideFolder(folder, file);
  } catch (error) {
    throw new UserError(`${source}: ${messageOf(error)}`, { code: "FILE_INVALID" });
  }
}

// ../../packages/trainer/src/report/experiments-page.ts
function experimentsPage(experiments, home) {
  const done = experiments.flatMap(({ results }) => results);
  const missing = experiments.filter(({ results }) => results.length === 0).map(({ name }) => markdownCode(name));
  const blocks = [
    "# Results of the experiments",
    "Each claim of the paper (arXiv:2404.07946) that was measured, with its verdict. `dm report --experiments` generates this page from the committed results. Square brackets contain 95 % intervals over seeds.",
    ...sharedNotice(done.map(({ found }) => found)),
    markdownTable(
      ["experiment", "claim", "verdict", "key number"],
      [
        ...done.map(({ found }) => [
          { markdown: `[${escapeMarkdown(title(found))}](#${anchor(title(found))})` },
          found.inShort,
          (found.verdict ?? "in numbers") + (found.isComplete ? "" : " (unfinished)"),
          found.key ?? found.sentences[0]
        ]),
        ...experiments.filter(({ results }) => results.length === 0).map(({ name }) => [name, "", "no results yet", ""])
      ]
    ),
    ...missing.length === 0 ? [] : [`Without results: ${missing.join(", ")}.`],
    ...done.flatMap(({ folder, found }) => section(found, link(home, folder)))
  ];
  return `${blocks.join("\n\n")}
`;
}
function sharedNotice(all) {
  const [first, ...others] = all.map(({ notice = "" }) => notice.split(/(?<=\.) /));
  const differing = (first ?? []).findIndex((sentence, i) => others.some((sentences) => sentences[i] !== sentence));
  const shared = differing === -1 ? first : first?.slice(0, differing);
  const text2 = shared?.join(" ") ?? "";
  return text2 === "" ? [] : [quoted(text2)];
}
var quoted = (notice) => `> **Read this first.** ${escapeMarkdown(notice)}`;
var title = ({ experiment, configuration }) => `${experiment}, ${configuration}`;
var anchor = (heading) => heading.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-");
function section(found, folder) {
  const [first, ...others] = found.tables.filter(({ rows }) => rows.length > 0);
  const { machine, seeds, trialMinutes } = found;
  return [
    `## ${escapeMarkdown(title(found))}`,
    ...found.notice === void 0 ? [] : [quoted(found.notice)],
    `**Claim.** ${escapeMarkdown(found.claim)}`,
    `**Verdict${found.verdict === void 0 ? "" : `: ${found.verdict}`}.** ${escapeMarkdown(found.sentences.join(" "))}`,
    ...found.isComplete ? [] : ["**Unfinished**: these numbers do not include all planned training runs."],
    ...first === void 0 ? [] : [`### ${escapeMarkdown(first.title)}`, markdownTable(first.columns, first.rows)],
    ...others.map((one) => {
      const rows = `${one.rows.length} ${one.rows.length === 1 ? "row" : "rows"}`;
      return `<details><summary>${escapeMarkdown(one.title)} (${rows})</summary>

${markdownTable(one.columns, one.rows)}

</details>`;
    }),
    ...found.figures.map(({ file, caption }) => markdownFigure(`${folder}/${markdownAddress(file)}`, caption)),
    `Seeds: ${seeds.join(", ")}. ${trialMinutes.toFixed(1)} minutes of total training time on ${escapeMarkdown(machine.cpu)} (${machine.cores} cores), Node ${escapeMarkdown(machine.node)}, onnxruntime ${escapeMarkdown(machine.onnxruntime)}. [How it was measured](${folder}/README.md), [the numbers](${folder}/results.json). To reproduce:`,
    `\`\`\`sh
${escapeText(found.command)}
\`\`\``
  ];
}
var link = (home, path) => markdownAddress(relative(home, path));

// src/page.ts
var root = fileURLToPath(new URL("../../../..", import.meta.url));
writeFileSync(join2(root, "docs/experiments.md"), experimentsPage(readExperiments(join2(root, "experiments")), join2(root, "docs")));
