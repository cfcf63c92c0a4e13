import { DARK, LIGHT, pageVariables } from "./palette.ts";

/** The report's style sheet: one column of cards, light or dark as the reader's system is. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--page:#f5f6f9;--tint:#eef1f6;--heat:62%;${pageVariables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{--page:#0f1218;--tint:#1f2530;--heat:48%;${pageVariables(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;-webkit-text-size-adjust:100%}
main,header,footer{max-width:56rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.75rem;padding-bottom:1rem}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.02em;margin:0}
header p{color:var(--muted);font-size:1.0625rem;margin:.4rem 0 0}
nav{margin-top:.9rem;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;font-size:.9rem}
a{color:var(--series-0);text-underline-offset:.2em}
section{background:var(--surface);border:1px solid var(--grid);border-radius:.75rem;padding:1.25rem 1.4rem 1.3rem;margin:1rem 0;scroll-margin-top:1rem}
section.plain{background:none;border:0;padding:0}
h2{font-size:1.125rem;letter-spacing:-.01em;margin:0 0 .8rem}
p{margin:.5rem 0;max-width:46rem}
section>p:first-of-type{margin-top:0}section>:last-child{margin-bottom:0}
.note,figcaption,caption,footer{color:var(--muted);font-size:.875rem}
.number{text-align:right;font-variant-numeric:tabular-nums}
footer{padding-top:.5rem;padding-bottom:3rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:0}
.figures>div{background:var(--surface);border:1px solid var(--grid);border-radius:.75rem;padding:.9rem 1.1rem}
section:not(.plain) .figures>div{background:var(--tint);border:0}
dt{color:var(--muted);font-size:.875rem}dd{margin:0}
dd.value{font-size:1.65rem;font-weight:620;letter-spacing:-.02em;line-height:1.3;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
th,td{padding:.42rem .7rem;text-align:left;border-bottom:1px solid var(--grid);vertical-align:baseline}
th.number,td.number{text-align:right}
thead th{color:var(--muted);font-weight:500;font-size:.875rem;border-bottom-color:var(--muted)}
tbody th{font-weight:500}tbody tr:last-child>*{border-bottom:0}
th:first-child,td:first-child{padding-left:0}th:last-child,td:last-child{padding-right:0}
pre{background:var(--tint);border-radius:.5rem;padding:.85rem 1rem;overflow-x:auto;margin:.5rem 0;font:.875rem/1.6 ui-monospace,"SF Mono",Menlo,Consolas,monospace}
figure{margin:0;position:relative}figcaption{margin-top:.4rem}
.chart svg{display:block;width:100%;height:auto;touch-action:pan-y}
.chart svg:focus-visible{outline:2px solid var(--series-0);outline-offset:4px;border-radius:4px}
.narrow{display:none}
details{margin-top:.5rem;font-size:.875rem}summary{cursor:pointer;color:var(--muted)}
.tip{position:absolute;pointer-events:none;background:var(--ink);color:var(--surface);border-radius:.4rem;padding:.35rem .6rem;font-size:.8125rem;line-height:1.45;white-space:nowrap;z-index:1;font-variant-numeric:tabular-nums}
.tip b{font-weight:600}
.blanks,.guesses{list-style:none;margin:0;padding:0}
.blanks{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1.4rem 2rem}
.sentence{margin:0 0 .5rem}
.blank{background:none;color:var(--series-0);font-weight:620;border-bottom:2px solid var(--series-0);padding:0 .15em}
.guesses li{display:grid;grid-template-columns:minmax(6rem,10rem) 1fr 4rem;gap:.7rem;align-items:center;font-size:.9rem}
.token{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.guesses .track{background:var(--tint);height:.5rem;border-radius:.25rem;overflow:hidden}
.guesses .track span{display:block;height:100%;background:var(--muted);border-radius:.25rem}
.guesses .hit .token{font-weight:620}.guesses .hit .track span{background:var(--series-2)}
.confusion{width:auto;min-width:min(100%,24rem)}
.confusion caption{text-align:left;padding-bottom:.5rem}
.confusion th,.confusion thead td{border:0}
.confusion thead th{text-align:center}
.confusion td.heat{--hue:var(--series-1);text-align:center;border:2px solid var(--surface);border-radius:.5rem;padding:.5rem .6rem;min-width:4.5rem;font-variant-numeric:tabular-nums;background:color-mix(in srgb,var(--hue) calc(var(--share)*var(--heat)),var(--tint))}
.confusion td.right{--hue:var(--series-0)}
.heat small{display:block;opacity:.8;font-size:.75rem;line-height:1.2}
.bar-row{display:grid;grid-template-columns:minmax(5rem,11rem) 1fr 12rem;gap:1rem;align-items:center;padding:.3rem 0}
.bar-row .track{position:relative;height:1.75rem;background:var(--tint);border-radius:.35rem}
.bar-row .bar{position:absolute;top:0;bottom:0;background:color-mix(in srgb,var(--own) 38%,transparent);border-radius:.35rem}
.bar-row .whisker{position:absolute;top:calc(50% - 1px);height:2px;background:var(--ink)}
.bar-row .whisker::before,.bar-row .whisker::after{content:"";position:absolute;top:-5px;height:12px;width:2px;background:var(--ink)}
.bar-row .whisker::after{right:0}
.bar-row .mean{position:absolute;top:3px;bottom:3px;width:3px;margin-left:-1.5px;background:var(--own);border-radius:2px}
.bar-row .dot{position:absolute;top:calc(50% - 4px);width:8px;height:8px;margin-left:-4px;border-radius:50%;background:var(--own);border:1.5px solid var(--surface)}
.ticks{position:relative;height:1.2rem;color:var(--muted);font-size:.75rem}
.ticks span{position:absolute;transform:translateX(-50%);font-variant-numeric:tabular-nums}
.axis{padding:0}
.examples{list-style:none;margin:0;padding:0;display:grid;gap:1.4rem}
.examples h3{font-size:.9rem;font-weight:600;margin:0 0 .35rem;color:var(--muted)}
.marked{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.75}
mark{color:inherit;border-radius:.2em;padding:.05em .1em}
mark.right{background:color-mix(in srgb,var(--series-2) 30%,transparent)}
mark.wrong{background:color-mix(in srgb,var(--series-1) 34%,transparent)}
mark.missed{background:none;border-bottom:2px dashed var(--series-0)}
mark.wrong.missed{background:color-mix(in srgb,var(--series-1) 34%,transparent)}
mark.right.wrong,mark.right.missed{background:color-mix(in srgb,var(--series-2) 30%,transparent)}
.marked small{font-size:.72rem;color:var(--muted);margin:0 .35em 0 .15em;white-space:nowrap;direction:ltr;unicode-bidi:isolate}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem;margin:.3rem 0;font-size:.9rem}
.facts dd{overflow-wrap:anywhere}
@media (max-width:40rem){
header{padding-top:1.6rem}h1{font-size:1.6rem}section{padding:1rem}
.wide{display:none}.narrow{display:block}
.bar-row{grid-template-columns:1fr auto;gap:.15rem .75rem}.bar-row .track,.bar-row .ticks{grid-column:1/-1;grid-row:2}
}
@media print{body{background:none}section{break-inside:avoid}details,nav{display:none}}
`.trim();
