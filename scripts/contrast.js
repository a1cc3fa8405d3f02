// How far does every word and every drawn line stand out from what is behind it? See contrast.py.
([within, furniture, decoration]) => {
  const numbers = text => text.match(/-?[\d.]+(e-?\d+)?%?/g).map(one => parseFloat(one) * (one.endsWith('%') ? 2.55 : 1));
  const colour = text => {
    if (!text || text === 'none' || text === 'transparent') return null;
    if (text.startsWith('color(')) {
      const [r, g, b, a = 1] = numbers(text.slice(text.indexOf(' ')));
      return [255 * r, 255 * g, 255 * b, a];
    }
    if (!text.startsWith('rgb')) return null;
    const [r, g, b, a = 1] = numbers(text);
    return [r, g, b, a];
  };
  const over = (top, below) => below.map((value, place) => top[place] * top[3] + value * (1 - top[3])).slice(0, 3);
  const light = rgb => {
    const [r, g, b] = rgb.map(one => one / 255).map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const faded = (paint, opacity) => paint && [paint[0], paint[1], paint[2], paint[3] * opacity];
  const opacityOf = (node, until) => {
    let product = 1;
    for (let one = node; one && one !== until; one = one.parentElement) product *= parseFloat(getComputedStyle(one).opacity);
    return product;
  };
  const page = node => {  // what the boxes of the page paint behind a node, itself included
    const layers = [];
    for (let one = node; one; one = one.parentElement) {
      const paint = colour(getComputedStyle(one).backgroundColor);
      if (paint && paint[3] > 0) layers.push(faded(paint, opacityOf(one, null)));
      if (paint && paint[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const shown = node => {
    const box = node.getBoundingClientRect();
    return box.width + box.height > 0 && getComputedStyle(node).visibility !== 'hidden' && opacityOf(node, null) > 0.05;
  };
  const pictures = new Map();
  const SHAPES = 'path, rect, circle, ellipse, polygon, polyline, line, use';
  const shapesOf = root => {
    if (!pictures.has(root)) {
      const found = [...root.querySelectorAll(SHAPES)].filter(one => !one.closest('defs, clipPath, marker, mask, symbol'));
      pictures.set(root, found.map(node => {
        const style = getComputedStyle(node);
        const opacity = opacityOf(node, root);
        return {node, box: node.getBoundingClientRect(), matrix: node.getScreenCTM().inverse(),
            fill: faded(colour(style.fill), opacity * parseFloat(style.fillOpacity)),
            stroke: faded(colour(style.stroke), opacity * parseFloat(style.strokeOpacity) * (parseFloat(style.strokeWidth) > 0))};
      }));
    }
    return pictures.get(root);
  };
  const rootOf = node => {
    let root = node.closest('svg');
    while (root && root.parentElement && root.parentElement.closest('svg')) root = root.parentElement.closest('svg');
    return root;
  };
  const behind = (node, root, x, y) => {
    let below = page(root);
    for (const shape of shapesOf(root)) {
      if (shape.node === node || !(shape.node.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING)) break;
      const {box} = shape;
      if (!shape.fill || !shape.fill[3] || shape.node.tagName === 'use') continue;  // marks may meet; they are no ground
      if (x < box.left || x > box.right || y < box.top || y > box.bottom) continue;
      if (shape.node.isPointInFill && !shape.node.isPointInFill(new DOMPoint(x, y).matrixTransform(shape.matrix))) continue;
      below = over(shape.fill, below);
    }
    return below;
  };
  for (const image of document.querySelectorAll('img[src^="data:image/svg+xml;base64,"]')) {  // a picture as a file: open it
    const bytes = Uint8Array.from(atob(image.src.split(',')[1]), letter => letter.charCodeAt(0));
    const svg = new DOMParser().parseFromString(new TextDecoder().decode(bytes), 'image/svg+xml').documentElement;
    svg.style.maxWidth = '100%';
    image.replaceWith(document.importNode(svg, true));
  }
  const found = {text: [], line: [], furniture: []};
  const note = (kind, node, paint, below, need, what) => {
    const value = ratio(over(paint, below), below);
    const own = node.closest(furniture) ? 'furniture' : kind;
    found[own].push({value, need, what: `${what} ${over(paint, below).map(Math.round)} on ${below.map(Math.round)}`});
  };
  const large = (style, holder) => {  // letters of a picture as it was drawn, before a narrow page shrinks it
    let size = parseFloat(style.fontSize);
    for (let one = holder.closest('svg'); one; one = one.parentElement.closest('svg'))
      if (one.viewBox.baseVal && one.viewBox.baseVal.width) size *= one.width.baseVal.value / one.viewBox.baseVal.width;
    return size >= 24 || (size >= 18.6 && parseInt(style.fontWeight) >= 700);
  };
  for (const area of document.querySelectorAll(within)) {
    if (area.parentElement && area.parentElement.closest(within)) continue;
    const walker = document.createTreeWalker(area, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
      const holder = text.parentElement;
      if (!text.data.trim() || holder.closest('title, desc, style, script, option, [aria-disabled=true], :disabled')) continue;
      if (!shown(holder)) continue;
      const range = document.createRange();
      range.selectNodeContents(text);
      const boxes = [...range.getClientRects()].filter(box => box.width > 1 && box.height > 1);
      if (!boxes.length) continue;
      const style = getComputedStyle(holder), root = rootOf(holder);
      const need = large(style, holder) ? 3 : 4.5;
      const what = JSON.stringify(text.data.trim().slice(0, 40));
      if (root) {
        const paint = faded(colour(style.fill), parseFloat(style.fillOpacity) * opacityOf(holder, root));
        const {left, top, width, height} = boxes[0];
        if (paint) for (const part of [0.1, 0.5, 0.9])
          note('text', holder, paint, behind(holder, root, left + part * width, top + height / 2), need, what);
      } else note('text', holder, faded(colour(style.color), opacityOf(holder, null)), page(holder), need, what);
    }
    for (const root of area.querySelectorAll('svg')) {
      if (rootOf(root) !== root || !shown(root)) continue;
      for (const {node, box, fill, stroke} of shapesOf(root)) {
        if (box.width + box.height < 1) continue;
        const x = box.left + box.width / 2, y = box.top + box.height / 2;
        const name = node.closest('[id]') ? node.closest('[id]').id : node.tagName;
        if (node.closest('[id^="text_"]')) {  // letters that were drawn: matplotlib's
          if (fill && fill[3]) note('text', node, fill, behind(node, root, x, y), 4.5, `letter in ${name}`);
          continue;
        }
        if (!stroke || !stroke[3] || node.closest(decoration)) continue;
        const spots = [];
        if (node.getTotalLength) {
          const length = node.getTotalLength(), matrix = node.getScreenCTM();
          for (const part of [0.07, 0.29, 0.51, 0.73, 0.93])
            spots.push(node.getPointAtLength(part * length).matrixTransform(matrix));
        } else spots.push({x, y});
        const worst = spots.map(spot => {
          const below = behind(node, root, spot.x, spot.y);
          const seen = [ratio(over(stroke, below), below)];
          if (fill && fill[3] && node.tagName !== 'line') seen.push(ratio(over(fill, below), below));  // the shape is seen by its line or its fill
          return [Math.max(...seen), below];
        }).reduce((one, other) => one[0] <= other[0] ? one : other);
        const own = node.closest(furniture) ? 'furniture' : 'line';
        found[own].push({value: worst[0], need: 3,
            what: `${node.tagName} of ${name} ${stroke.slice(0, 3)} on ${worst[1].map(Math.round)}`});
      }
    }
  }
  const told = all => ({count: all.length, lowest: all.length ? Math.min(...all.map(one => one.value)) : null,
      faults: [...new Set(all.filter(one => one.value < one.need)
          .map(one => `${one.value.toFixed(2)} < ${one.need}: ${one.what}`))]});
  return Object.fromEntries(Object.entries(found).map(([kind, all]) => [kind, told(all)]));
}
