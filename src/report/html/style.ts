/** The one style sheet of a report. Colours of text reach a contrast of 4.5 on what they stand on, in both schemes. */
export const style = `
:root{color-scheme:light dark;--bg:#f6f7f8;--panel:#fff;--ink:#1c2127;--muted:#57606a;--rule:#dfe3e8;--line:#0b5cad;--area:#0b5cad26;--soft:#0b5cad40;--good:#116329;--good-bg:#e6f4ea;--bad:#a31515;--bad-bg:#fdecea;--warn:#7a4a00;--warn-bg:#fdf3dc;--info:#0b5cad;--info-bg:#e5f0fb;--done:#2f7d4f;--part:0%}
@media screen and (prefers-color-scheme:dark){:root{--bg:#0f1317;--panel:#171c22;--ink:#e4e8ec;--muted:#9da7b3;--rule:#2c343d;--line:#6cb2ff;--area:#6cb2ff26;--soft:#6cb2ff4d;--good:#6bd397;--good-bg:#12301f;--bad:#ff9b94;--bad-bg:#3a1717;--warn:#e9bd62;--warn-bg:#33270d;--info:#86bfff;--info-bg:#12283f;--done:#3f9d68}}
*{box-sizing:border-box}
body{margin:0 auto;padding:clamp(16px,3vw,40px);max-width:1160px;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1,h2,h3{line-height:1.25;margin:0;font-weight:650;text-wrap:balance}h1{font-size:1.65rem;letter-spacing:-.01em}h2{font-size:1.25rem}h3{font-size:1rem;margin-bottom:6px}
p{margin:0 0 8px;max-width:84ch}small{font-size:.8125rem}.muted,small,dt,caption,th{color:var(--muted)}a{color:var(--line)}
.top{display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center;margin-bottom:20px}.top p{flex-basis:100%;margin:0}
main{container-type:inline-size}
article,.overview{background:var(--panel);border:1px solid var(--rule);border-radius:10px;padding:clamp(14px,2.6cqi,28px);margin-bottom:20px}
article>header{display:flex;flex-wrap:wrap;gap:6px 12px;align-items:center;margin-bottom:4px}
article>section{margin-top:24px}.way{max-width:none;color:var(--muted);font-size:.875rem;margin-bottom:10px}.overview caption{position:absolute;width:1px;height:1px;overflow:clip;clip-path:inset(50%)}.overview td:first-child{overflow-wrap:anywhere}.overview h2{font-size:1.05rem;margin-bottom:8px}
.badge{display:inline-block;border-radius:99px;padding:1px 11px;font-size:.8125rem;font-weight:600;white-space:nowrap;background:var(--info-bg);color:var(--info)}
.badge.completed,.badge.verified{background:var(--good-bg);color:var(--good)}.badge.failed,.badge.differs{background:var(--bad-bg);color:var(--bad)}.badge.paused,.badge.begun{background:var(--warn-bg);color:var(--warn)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:14px;margin:14px 0 0;padding:14px 0 0;border-top:1px solid var(--rule)}
.facts div{min-width:0}dt{font-size:.8125rem}dd{margin:0;font-size:1.3rem;font-weight:600;line-height:1.3;overflow-wrap:break-word}dd small{display:block;font-weight:400;min-height:1.3em}
.facts.small{border:0;padding:0;margin:6px 0}.facts.small dd{font-size:1.05rem}
.notice{border-left:4px solid var(--warn);background:var(--warn-bg);border-radius:0 8px 8px 0;padding:12px 16px}.notice.bad{border-color:var(--bad);background:var(--bad-bg)}.notice.good{border-color:var(--good);background:var(--good-bg)}
.notice :is(.muted,dt,caption,th,small){color:color-mix(in srgb,var(--ink) 78%,transparent)}
.plain{list-style:none;margin:0;padding:0}.plain li+li{border-top:1px solid var(--rule);padding-top:8px}.plain p{margin-bottom:4px;max-width:100ch}.plain ul{margin:0 0 6px;padding-left:20px}.plain ul li+li{border:0;padding-top:2px}
.code{font:600 .875rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
figure{margin:0 0 14px}figcaption{margin-bottom:6px;font-size:.875rem}
.plot{display:grid;grid-template:100% / 72px 1fr;gap:8px}.plot svg{display:block;width:100%;height:100%;min-height:0;overflow:visible}.plot.high{height:150px}.plot.low{height:80px}
.y{display:flex;flex-direction:column;justify-content:space-between;text-align:right;font-size:.75rem;line-height:1;color:var(--muted);margin-block:-6px}
.grid{fill:none;stroke:var(--rule);stroke-width:1;vector-effect:non-scaling-stroke}.area{fill:var(--area)}.line{fill:none;stroke:var(--line);stroke-width:1.75;vector-effect:non-scaling-stroke}.bars{fill:var(--soft)}.gap{fill:var(--muted);opacity:.18}.tip{fill:transparent}.tip:hover{fill:var(--soft)}
.lane{display:grid;grid-template-columns:72px 1fr;gap:8px;align-items:center;font-size:.75rem}.lane .name{text-align:right;color:var(--muted)}.track{position:relative;height:20px;border-bottom:1px solid var(--rule)}.track span{position:absolute;top:0;transform:translateX(-50%);font-size:.8125rem;line-height:20px;cursor:default}
.warn{color:var(--warn)}.bad{color:var(--bad)}.notice.bad,.notice.warn{color:inherit}.info{color:var(--info)}.calm{margin:0 0 6px 80px;font-size:.8125rem;color:var(--muted)}
.axis{margin:4px 0 10px 80px;font-size:.75rem}.axis div{display:flex;justify-content:space-between;color:var(--muted)}
.strip{display:grid;grid-template-columns:repeat(auto-fill,14px);gap:3px;margin:8px 0 10px}
.cell{display:inline-block;width:14px;height:14px;border-radius:3px;border:1px solid var(--muted);font:700 11px/12px system-ui,sans-serif;text-align:center;overflow:hidden;flex:none;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.cell.completed{background:var(--done);border-color:var(--done)}.cell.partly{background:linear-gradient(to top,var(--done) var(--part),transparent 0)}
.cell.inProgress{border:2px solid var(--line);color:var(--line);line-height:10px}.cell.failed,.cell.failed.partly{background:var(--bad-bg);border:2px solid var(--bad);color:var(--bad);line-height:10px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 8px;padding:0;font-size:.875rem}.legend li{display:flex;align-items:center;gap:6px}
details{margin-top:10px;border-top:1px solid var(--rule);padding-top:8px}summary{cursor:pointer;font-weight:600;font-size:.9375rem}
:is(summary,a,.scroll):focus-visible{outline:2px solid var(--line);outline-offset:2px;border-radius:3px}
.scroll{overflow-x:auto;margin-top:6px}table{border-collapse:collapse;width:100%;font-size:.875rem}caption{text-align:left;font-size:.8125rem;padding-bottom:2px}
th,td{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid var(--rule);vertical-align:top;overflow-wrap:normal}td{max-width:52ch;overflow-wrap:break-word}th{font-weight:600;white-space:nowrap}:is(th,td).n{text-align:right;white-space:nowrap}:is(th,td):last-child{padding-right:0}.n+.t{padding-left:14px}
footer p{max-width:none}footer{font-size:.8125rem}
@container (max-width:520px){.facts{grid-template-columns:1fr 1fr}.plot,.lane{grid-template-columns:56px 1fr}.overview :is(th,td):nth-child(n+4){display:none}.overview :is(th,td){padding-right:10px;white-space:normal}th,td{padding-right:10px}table{font-size:.8125rem}.axis,.calm{margin-left:64px}dd{font-size:1.1rem}.notice{padding-inline:10px}.notice :is(th,td){padding-right:6px;font-size:.75rem}}
@media print{:root{--bg:#fff;--panel:#fff}body{padding:0;max-width:none;font-size:11pt}article,.overview{border:0;padding:0}:is(section,figure,.facts,tr,li){break-inside:avoid}h2,h3{break-after:avoid}.badge,.notice{-webkit-print-color-adjust:exact;print-color-adjust:exact}.scroll{overflow:visible}details::details-content{content-visibility:visible;block-size:auto}table{font-size:8.5pt}td.t{overflow-wrap:anywhere;min-width:15ch}:is(th,td){padding-right:8px}}
`;
