<section id="{{key("c", name)}}" class="wide group" aria-label="Cluster {{name}}">
<h2>Cluster {{name}}</h2>
<div class="grid">
% for html in cards:
{{!html}}
% end
</div>
</section>
