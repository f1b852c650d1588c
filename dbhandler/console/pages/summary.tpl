<section id="summary" class="wide summary">
<h2 class="hidden">At a glance</h2>
% if sight.trouble:
<p class="state bad"><span aria-hidden="true">▲</span> {{sight.trouble}}. What follows is what was seen before.</p>
% elif sight.is_first:
<p class="state busy"><span aria-hidden="true">◐</span> Asking the Serf agent…</p>
% elif not totals["servers"]:
<p class="state bad"><span aria-hidden="true">▲</span> There is no database server in the Serf cluster.</p>
% else:
<dl>
<div><dt>Servers</dt><dd>{{totals["servers"]}}</dd></div>
<div><dt>Ready</dt><dd class="{{"good" if totals["ready"] == totals["servers"] else "bad"}}">{{totals["ready"]}}</dd></div>
<div><dt>Failed</dt><dd class="{{"bad" if totals["failed"] else ""}}">{{totals["failed"]}}</dd></div>
<div><dt>Databases</dt><dd>{{totals["databases"]}}</dd></div>
<div><dt>Events that wait</dt><dd class="{{"busy" if totals["spool"] else ""}}">{{totals["spool"]}}</dd></div>
<div><dt>Backups</dt><dd>{{len(sight.backups)}}</dd></div>
</dl>
% end
</section>
