<p>{{"The server " + server if server else "All servers together"}}, from {{moment(since)}} to {{moment(until)}}.</p>
<nav aria-label="Time">
<ul class="ranges">
% for name, title in ranges:
<li><a href="/history?range={{name}}{{"&server=" + quoted if server else ""}}"{{!' aria-current="true"' if name == chosen else ""}}>{{title}}</a></li>
% end
</ul>
</nav>
% if not pictures:
<p class="said">{{nothing}}</p>
% end
<div class="plots">
% for number, (plot, lines, top) in enumerate(pictures):
<figure>
<figcaption id="plot{{number}}">{{plot.title}}</figcaption>
<svg viewBox="0 0 480 170" role="img" aria-labelledby="plot{{number}}">
<path class="axis" d="M62 8V150H476"/>
<text x="58" y="16" text-anchor="end">{{plot.written(top)}}</text><text x="58" y="150" text-anchor="end">0</text>
<text x="62" y="166">{{moment(since)[5:16]}}</text><text x="476" y="166" text-anchor="end">{{moment(until)[5:16]}}</text>
% for place, line in enumerate(lines):
<path class="line l{{place}}" d="{{line.path}}"/>
% end
</svg>
<ul class="legend">
% for place, line in enumerate(lines):
<li><svg class="key" viewBox="0 0 24 8" aria-hidden="true"><path class="line l{{place}}" d="M0 4h24"/></svg> {{line.name}}: {{line.last}} now, {{line.least}} to {{line.most}}</li>
% end
</ul>
</figure>
% end
</div>
