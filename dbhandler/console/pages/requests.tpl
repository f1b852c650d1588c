<section id="requests" class="wide"{{!" hidden" if inside.requests is None and inside.recent is None else ""}}>
<h2>Requests and refusals</h2>
% if inside.recent is not None:
% if inside.recent:
<div class="scroll" tabindex="0" role="region" aria-label="What it has changed and refused last">
<table>
<thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Database</th><th scope="col">Outcome</th><th scope="col">Reason</th></tr></thead>
<tbody>
% for one in inside.recent:
<tr><td>{{moment(one.at)}}</td><td>{{one.operation}}</td><td>{{one.database}}</td><td><span class="state {{look(one.outcome)}}">{{one.outcome}}</span></td><td>{{one.reason}}</td></tr>
% end
</tbody>
</table>
</div>
% else:
<p>It has changed and refused nothing since its agent's start.</p>
% end
% end
% if inside.requests:
<h3>Since the agent's start</h3>
<div class="scroll" tabindex="0" role="region" aria-label="How often what was asked for">
<table>
<thead><tr><th scope="col">What was asked for</th><th scope="col">Outcome</th><th scope="col" class="number">Number</th></tr></thead>
<tbody>
% for one in inside.requests:
<tr><th scope="row">{{one.operation}}</th><td><span class="state {{look(one.outcome)}}">{{one.outcome}}</span></td><td class="number">{{int(one.number)}}</td></tr>
% end
</tbody>
</table>
</div>
% end
</section>
