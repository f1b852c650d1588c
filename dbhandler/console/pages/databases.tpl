<section id="databases" class="wide">
<h2>Databases</h2>
% if inside.trouble:
<p class="said">{{inside.trouble}}</p>
% end
% if inside.note:
<p class="quiet">{{inside.note}}</p>
% end
% if inside.rows:
<div class="scroll" tabindex="0" role="region" aria-label="Databases of {{server.node}}">
<table>
<thead><tr><th scope="col">Database</th><th scope="col">Account</th><th scope="col">Role</th><th scope="col" class="number">Size</th><th scope="col">Written to</th><th scope="col">Since</th><th scope="col">Ends</th></tr></thead>
<tbody>
% for row in inside.rows:
<tr><th scope="row">{{row.database}}{{" (over quota)" if row.over_quota else ""}}</th><td>{{row.user or "–"}}</td><td>{{row.role or "–"}}</td>
<td class="number">{{"gone" if row.size is None else size(row.size)}}</td><td>{{moment(row.last_write) if row.last_write else "–"}}</td>
<td>{{"–" if row.age is None else duration(row.age) + " ago" if row.age else "just now"}}</td><td>{{moment(row.ends / 1000) if row.ends else "–"}}</td></tr>
% end
</tbody>
</table>
</div>
% elif inside.names:
<ul class="names">
% for name in inside.names:
<li>{{name}}</li>
% end
</ul>
% elif not inside.trouble:
<p>None.</p>
% end
% if inside.more:
<p>And {{inside.more}} more.</p>
% end
</section>
