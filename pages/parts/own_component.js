// One instance of a class for each place in which a component stands: made when it appears, updated by each run of the page, ended when
// it goes.  The class has a constructor of the place, `update(component)` and `end()`.
const mounts = (Made) => {
  const mounted = new WeakMap();
  return (component) => {
    const root = component.parentElement;
    if (!mounted.has(root)) mounted.set(root, new Made(root));
    mounted.get(root).update(component);
    return () => {
      mounted.get(root)?.end();
      mounted.delete(root);
    };
  };
};
