<section id="requests" class="wide"{{!" hidden" if inside.requests is None else ""}}>
<h2>Requests and refusals</h2>
% if inside.requests:
<div class="scroll" tabindex="0" role="region" aria-label="Requests since the agent's start">
<table>
<thead><tr><th scope="col">What was asked for</th><th scope="col">Outcome</th><th scope="col" class="number">Number</th></tr></thead>
<tbody>
% for one in inside.requests:
<tr><th scope="row">{{one.operation}}</th><td><span class="state {{look(one.outcome)}}">{{one.outcome}}</span></td><td class="number">{{int(one.number)}}</td></tr>
% end
</tbody>
</table>
</div>
% else:
<p>None since the agent's start.</p>
% end
</section>
