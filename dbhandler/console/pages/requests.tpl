<section id="requests" class="wide"{{!" hidden" if inside.requests is None else ""}}>
<h2>Requests and refusals</h2>
% if inside.requests:
<div class="scroll" tabindex="0" role="region" aria-label="The last requests">
<table>
<thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Database</th><th scope="col">Outcome</th><th scope="col">Reason</th></tr></thead>
<tbody>
% for one in inside.requests:
<tr><td>{{moment(one.at)}}</td><td>{{one.operation}}</td><td>{{one.database}}</td><td><span class="state {{look(one.outcome)}}">{{one.outcome}}</span></td><td>{{one.reason}}</td></tr>
% end
</tbody>
</table>
</div>
% else:
<p>None since the agent's start.</p>
% end
</section>
