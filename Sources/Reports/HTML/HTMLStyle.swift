// SPDX-License-Identifier: Apache-2.0
//
// How a report looks. Series colours are those of Okabe and Ito, which people with any of the
// common kinds of colour blindness can tell apart; nothing is told by colour alone.

/// The style sheet and the script of a report.
enum HTMLStyle {
    /// The style sheet; it names no other file.
    static let sheet: Markup = """
        :root{color-scheme:light dark;
        --page:#f6f6f3;--card:#fff;--ink:#1b1f23;--quiet:#68707a;--line:#e2e3e0;--track:#eceeec;
        --good:#00704f;--bad:#b8430a;--good-page:#e6f4ee;--bad-page:#fcefe6;--accent:#0072b2;
        --c0:#0072b2;--c1:#e69f00;--c2:#009e73;--c3:#cc79a7;--c4:#56b4e9;--c5:#d55e00;
        --c6:#e5d845;--c7:#9aa2ab;--free:#eef0ee;--halo:#ffffffb0}
        @media (prefers-color-scheme:dark){:root{
        --page:#121517;--card:#1b1f22;--ink:#e7e9ea;--quiet:#98a1a9;--line:#2f353a;--track:#2a3035;
        --good:#4fc79c;--bad:#f39358;--good-page:#16302a;--bad-page:#38251a;--accent:#5cb3e6;
        --c0:#2b8fd0;--c1:#e5a41c;--c2:#18ab82;--c3:#d489b3;--c4:#7cc7f2;--c5:#e0702a;
        --c6:#e9de6a;--c7:#7d868f;--free:#262b2f;--halo:#1b1f22b0}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--page);color:var(--ink);
        font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
        main{max-width:1140px;margin:0 auto;padding:32px 20px 56px}
        h1{font-size:26px;line-height:1.25;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
        h2{font-size:18px;margin:0 0 4px;letter-spacing:-.005em}
        summary{font-size:18px;font-weight:700;cursor:pointer}details .lead{margin-top:6px}
        h3{font-size:14px;margin:20px 0 4px}
        p{margin:0 0 10px}
        code,.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
        code{font-size:13px;overflow-wrap:anywhere}
        .over{color:var(--quiet);font-size:13px;margin:0 0 2px}
        .under{color:var(--quiet);margin:6px 0 0;overflow-wrap:anywhere}
        .verdict{display:flex;gap:12px;margin:20px 0;padding:12px 16px;border-radius:10px;
        background:var(--good-page);border-left:5px solid var(--good)}
        .verdict.bad{background:var(--bad-page);border-color:var(--bad)}
        .verdict>b{color:var(--good);font-size:20px;line-height:1.2}
        .verdict.bad>b{color:var(--bad)}
        .verdict p{margin:0}.verdict p:first-child{font-size:16px;font-weight:600}.verdict.bad p{color:var(--ink)}.verdict p+p,.verdict.bad p+p{font-size:14px;color:var(--quiet);margin-top:2px}
        .verdict a{color:inherit}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(142px,1fr));gap:12px;
        margin:0 0 12px}
        .card,section{background:var(--card);border:1px solid var(--line);border-radius:10px}
        .card{padding:12px 14px}
        .card span{display:block;color:var(--quiet);font-size:13px}
        .card b{display:block;font-size:22px;line-height:1.3;font-weight:600;
        font-variant-numeric:tabular-nums}
        section{padding:18px 20px 14px;margin:12px 0}
        .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));
        gap:12px;margin:12px 0}
        .pair section{margin:0}
        .halves{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr));gap:0 40px}
        .lead,.note,.empty{color:var(--quiet);font-size:14px}
        .note{font-size:13px;margin:8px 0 0}
        .scroll{overflow-x:auto}
        .tall .scroll{max-height:560px;overflow:auto}
        .tall th{position:sticky;top:0;background:var(--card)}
        table{border-collapse:collapse;width:100%;font-size:14px;
        font-variant-numeric:tabular-nums}
        th{font-weight:500;color:var(--quiet);font-size:13px;text-align:left;vertical-align:bottom}
        th,td{padding:4px 14px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap}
        th:last-child,td:last-child{padding-right:0}
        tbody tr:last-child td{border-bottom:0}
        th[title]{text-decoration:underline dotted;text-underline-offset:3px;cursor:help}
        td.text{white-space:normal;overflow-wrap:anywhere;min-width:120px}
        .right{text-align:right}.quiet{color:var(--quiet)}.strong{font-weight:600}
        .good{color:var(--good)}.bad{color:var(--bad)}
        .barred{display:flex;align-items:center;gap:10px}
        .barred i{flex:1 1 90px;min-width:64px;height:9px;border-radius:2px;
        background:var(--track);overflow:hidden}
        .barred b{display:block;height:100%;min-width:2px;background:var(--accent)}
        .barred b[style$="width:0%"]{min-width:0}
        .right .barred span{flex:0 0 auto;margin-left:auto;min-width:62px}
        .barred span{min-width:112px}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:3px 18px;margin:8px 0 12px;
        padding:0;font-size:13px}
        .legend b{font-weight:400;color:var(--quiet)}
        .swatch{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:7px;
        vertical-align:-1px;background:currentColor}
        svg{display:block;width:100%;height:auto;min-width:680px;font-size:12px}
        svg.blocks{min-width:0}svg.blocks[data-columns="64"]{min-width:680px}
        svg text{fill:var(--ink)}.axis text,text.quiet{fill:var(--quiet)}
        .end{text-anchor:end}.mid{text-anchor:middle}text.mono{font-size:11.5px}
        .grid{stroke:var(--line);fill:none}.tick{stroke:var(--quiet)}
        .bands path{stroke:var(--card);stroke-width:.8;stroke-linejoin:round}
        .names text{fill:#fff;font-weight:600;paint-order:stroke;stroke:#000a;stroke-width:3px;
        stroke-linejoin:round}
        path.locked-line{fill:none;stroke:var(--ink);stroke-width:2;stroke-dasharray:6 3}
        path.halo{fill:none;stroke:var(--halo);stroke-width:5}
        i.locked-line{height:0;border-top:2px dashed var(--ink);background:none;border-radius:0;
        width:18px;vertical-align:4px}
        path.series{fill:none;stroke:currentColor;stroke-width:2.5;stroke-linejoin:round}
        path.kill{fill:none;stroke:var(--bad);stroke-width:2}
        i.kill{height:14px;width:0;border-left:2px solid var(--bad);background:none;border-radius:0;
        margin-left:8px;margin-right:10px}
        .strips rect{fill:transparent}.strips rect:hover{fill:var(--ink);fill-opacity:.1}
        .s0{fill:var(--c0);color:var(--c0)}.s1{fill:var(--c1);color:var(--c1)}
        .s2{fill:var(--c2);color:var(--c2)}.s3{fill:var(--c3);color:var(--c3)}
        .s4{fill:var(--c4);color:var(--c4)}.s5{fill:var(--c5);color:var(--c5)}
        .s6{fill:var(--c6);color:var(--c6)}.s7{fill:var(--c7);color:var(--c7)}
        .o-free{fill:var(--free);color:var(--free)}
        .o-anonymous,.k-anonymous{fill:var(--c0);color:var(--c0)}
        .o-file,.k-file{fill:var(--c1);color:var(--c1)}
        .o-sharedMemory,.k-sharedMemory{fill:var(--c3);color:var(--c3)}
        .o-locked,.k-stack{fill:var(--c2);color:var(--c2)}
        .o-pageTables{fill:var(--c5);color:var(--c5)}.k-heap{fill:var(--c4);color:var(--c4)}
        .o-other,.k-kernel,.k-mixed{fill:var(--c7);color:var(--c7)}
        i.o-free{box-shadow:inset 0 0 0 1px var(--quiet)}
        .back{fill-opacity:.24}.back.o-free{fill-opacity:1}
        .hatched{fill:url(#hatch)}#hatch path{stroke:var(--ink);stroke-width:1.3}
        i.swatch-half{background:linear-gradient(90deg,var(--quiet) 50%,var(--track) 50%);width:22px}
        i.swatch-hatch{background:repeating-linear-gradient(135deg,var(--ink) 0 1.3px,
        transparent 1.3px 5px);width:22px;box-shadow:inset 0 0 0 1px var(--line)}
        .strip rect{rx:2px}
        .gap path,.skip{stroke:var(--quiet);stroke-dasharray:2 4;fill:none}.gap text{fill:var(--quiet);
        font-size:11px}
        output{color:var(--ink)}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:8px 0 0;
        font-size:14px}
        dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}
        svg.defs{position:absolute;width:0;height:0;min-width:0}
        @media print{.tall .scroll{max-height:none}body{background:none}section,.card{break-inside:avoid}}
        """

    /// Says which cell of the map the pointer is over.
    ///
    /// The page is whole without it. The text is well-formed XML: neither `<` nor `&` is in it.
    static let script: Markup = """
        (function(){var map=document.getElementById('pageblocks'),
        out=document.getElementById('pageblock');if(!map||!out)return;var d=map.dataset,
        rows=d.rows.split(' ').map(function(r){return r.split(':').map(Number)}),
        names={F:'free',A:'anonymous',M:'files',S:'shared memory',L:'locked',T:'page tables',
        O:'reserved and other'};
        function size(n){var u=['B','KiB','MiB','GiB','TiB'],i=0;
        while(n>=1024){if(i==4)break;n/=1024;i++}return (+n.toFixed(2))+' '+u[i]}
        map.addEventListener('mousemove',function(e){
        var p=new DOMPoint(e.clientX,e.clientY).matrixTransform(map.getScreenCTM().inverse()),
        x=Math.floor((p.x-d.left)/d.size),
        y=rows.findIndex(function(r){return p.y>=r[1]?r[1]+ +d.size>p.y:false}),
        c=d.cells.substr(2*(y*d.columns+x),2);
        if(0>x||x>=+d.columns||0>y||!c){out.textContent='';return}
        out.textContent='At '+size((rows[y][0]*d.columns+x)*d.step)+': '+names[c[0]]+
        (c[0]=='F'?'':', about '+Math.round(c[1]/9*100)+' % in use')});
        map.addEventListener('mouseleave',function(){out.textContent=''})})()
        """
}
